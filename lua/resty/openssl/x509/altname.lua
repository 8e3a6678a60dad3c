-- resty.openssl.x509.altname: alternative names.
local concat, insert = table.concat, table.insert
local getmetatable, ipairs, setmetatable, tostring = getmetatable, ipairs, setmetatable, tostring

local TYPES = {
  DNS = "DNS", URI = "URI", IP = "IP", email = "email", Email = "email", ["IP Address"] = "IP",
  IPAddress = "IP", RFC822 = "email", RFC822Name = "email", DirName = "DirName",
}

local _M = {}
local mt = {
  __index = function(_, key)
    return _M[key]
  end,
  __tostring = function(self)
    return self:tostring()
  end,
}

function _M._wrap(names)
  return setmetatable(names, mt)
end

function _M.new()
  return _M._wrap {}
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.dup(other)
  if not _M.istype(other) then
    return nil, "x509.altname.dup: expect a x509.altname instance at #1"
  end
  local copy = _M.new()
  for _, name in ipairs(other) do
    insert(copy, { name[1], name[2] })
  end
  return copy
end

function _M:add(kind, value)
  if not kind or not value then
    return nil, "x509.altname:add: expect a string at #1 and a value at #2"
  end
  if not TYPES[kind] then
    return nil, "unknown type " .. tostring(kind)
  end
  insert(self, { TYPES[kind], value })
  return self
end

-- As a configuration of an extension writes them.
function _M:ext()
  local parts = {}
  for i, name in ipairs(self) do
    parts[i] = name[1] .. ":" .. name[2]
  end
  return concat(parts, ",")
end

function _M:count()
  return #self
end

function _M:index(i)
  return self[i] and self[i][1], self[i] and self[i][2]
end

function _M:each()
  local i = 0
  return function()
    i = i + 1
    if self[i] then
      return self[i][1], self[i][2]
    end
  end
end

_M.iter = _M.each
mt.__pairs = _M.each

function _M:all()
  local all = {}
  for _, name in ipairs(self) do
    all[#all + 1] = { name[1], name[2] }
  end
  return all
end

function _M:tostring()
  local parts = {}
  for i, name in ipairs(self) do
    parts[i] = name[1] .. "=" .. name[2]
  end
  return concat(parts, "/")
end

return _M
