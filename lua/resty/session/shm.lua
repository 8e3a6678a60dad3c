-- resty.session.shm: sessions kept in a shared dictionary.
local shared = ngx.shared
local error, setmetatable = error, setmetatable

local _M = {}
local mt = { __index = {} }
local methods = mt.__index

function _M.new(configuration)
  local zone = configuration.zone or "sessions"
  local dict = shared[zone]
  if not dict then
    error("lua_shared_dict " .. zone .. " does not exist", 2)
  end
  return setmetatable({ dict = dict, prefix = configuration.prefix, suffix = configuration.suffix }, mt)
end

local function key_of(self, name, key)
  return (self.prefix and self.prefix .. ":" or "") .. name .. ":" .. key
    .. (self.suffix and ":" .. self.suffix or "")
end

function methods:set(name, key, value, ttl, _, old_key, stale_ttl)
  local ok, err = self.dict:set(key_of(self, name, key), value, ttl)
  if ok and old_key then
    self.dict:expire(key_of(self, name, old_key), stale_ttl or 0)
  end
  return ok, err
end

function methods:get(name, key)
  return self.dict:get(key_of(self, name, key))
end

function methods:delete(name, key)
  self.dict:delete(key_of(self, name, key))
  return true
end

return _M
