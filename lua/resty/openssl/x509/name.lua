-- resty.openssl.x509.name: names of subjects and issuers.
local native = require "resty.openssl.native"
local objects = require "resty.openssl.objects"

local concat, sort = table.concat, table.sort
local getmetatable, ipairs, setmetatable, tonumber, type = getmetatable, ipairs, setmetatable, tonumber, type

local _M = {}

local function entries(self)
  return native.name_entries(self.ctx)
end

local mt = {
  __index = _M,
  __tostring = function(self)
    return self:tostring()
  end,
  __len = function(self)
    return #entries(self)
  end,
}

function _M._wrap(ctx)
  return ctx and setmetatable({ ctx = ctx }, mt)
end

function _M.new()
  return _M._wrap(native.name())
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.dup(other)
  local copy = _M.new()
  for _, entry in ipairs(entries({ ctx = other.ctx or other })) do
    native.name_add(copy.ctx, entry.sn, entry.blob)
  end
  return copy
end

function _M:add(field, value)
  local ok, err = native.name_add(self.ctx, field, value)
  if not ok then
    return nil, err
  end
  return self
end

-- The entry of a short or long name, a number or an identifier; from a place on.
function _M:find(wanted, after)
  local nid = type(wanted) == "number" and wanted or objects.txt2nid(wanted)
  if not nid then
    return nil, nil, "x509.name:find: invalid NID text " .. wanted
  end
  local all = entries(self)
  for i = (after or 0) + 1, #all do
    if all[i].nid == nid or all[i].sn == wanted or all[i].id == wanted then
      return all[i], i
    end
  end
  return nil
end

function _M:each()
  local all, i = entries(self), 0
  return function()
    i = i + 1
    if all[i] then
      return all[i].sn, all[i]
    end
  end
end

_M.iter = _M.each

function _M:all()
  local all = {}
  for _, entry in ipairs(entries(self)) do
    all[entry.sn] = entry
  end
  return all
end

function _M:count()
  return #entries(self)
end

function _M:index(place)
  local entry = entries(self)[tonumber(place)]
  if entry then
    return entry.sn, entry
  end
end

function _M:tostring()
  local parts = {}
  for i, entry in ipairs(entries(self)) do
    parts[i] = entry.sn .. "=" .. entry.blob
  end
  sort(parts)
  return concat(parts, "/")
end

return _M
