-- resty.openssl.x509.extensions: a list of extensions.
local getmetatable, insert, setmetatable = getmetatable, table.insert, setmetatable

local _M = {}
local mt = { __index = _M }

function _M.new()
  return setmetatable({}, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.dup(other)
  if not _M.istype(other) then
    return nil, "x509.extensions.dup: expect an instance at #1"
  end
  local copy = _M.new()
  for i = 1, #other do
    copy[i] = other[i]
  end
  return copy
end

function _M:add(item)
  if not item or not item.ctx then
    return nil, "expect an instance at #1"
  end
  insert(self, item)
  return self
end

function _M:count()
  return #self
end

function _M:index(i)
  return self[i]
end

function _M:each()
  local i = 0
  return function()
    i = i + 1
    if self[i] then
      return i, self[i]
    end
  end
end

_M.iter = _M.each

function _M:all()
  local all = {}
  for i = 1, #self do
    all[i] = self[i]
  end
  return all
end

return _M
