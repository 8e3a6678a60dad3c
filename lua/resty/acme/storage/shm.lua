-- resty.acme.storage.shm: a shared dictionary.
local ipairs, setmetatable = ipairs, setmetatable
local sub = string.sub

local _M = {}
local mt = { __index = _M }


function _M.new(conf)
  local name = conf and conf.shm_name or "acme"
  local dict = ngx.shared[name]
  if not dict then
    return nil, "shm \"" .. name .. "\" is not defined"
  end
  return setmetatable({ dict = dict }, mt)
end


-- Sets what is not there yet; returns an error, "exists" when it is.
function _M:add(key, value, ttl)
  local _, err = self.dict:add(key, value, ttl)
  return err
end


function _M:set(key, value, ttl)
  local _, err = self.dict:set(key, value, ttl)
  return err
end


function _M:delete(key)
  self.dict:delete(key)
end


function _M:get(key)
  return self.dict:get(key)
end


-- The keys that begin with a text.
function _M:list(prefix)
  local found = {}
  prefix = prefix or ""
  for _, key in ipairs(self.dict:get_keys(0)) do
    if sub(key, 1, #prefix) == prefix then
      found[#found + 1] = key
    end
  end
  return found
end


return _M
