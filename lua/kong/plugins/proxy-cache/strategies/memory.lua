-- Responses in a shared dictionary, as JSON.

local cjson = require "cjson.safe"

local ngx = ngx
local setmetatable, type = setmetatable, type

local ERR_KEY = "key must be a string"
local ERR_ABSENT = "request object not in cache"

local Memory = {}
Memory.__index = Memory


function Memory.new(options)
  return setmetatable({ dict = ngx.shared[options.dictionary_name], options = options }, Memory)
end


-- Keeps a value for so many seconds. Answers its JSON.
function Memory:store(key, value, ttl)
  if type(key) ~= "string" then
    return nil, ERR_KEY
  end
  local text = cjson.encode(value)
  if not text then
    return nil, "could not encode request object"
  end
  local ok, err = self.dict:set(key, text, ttl or self.options.ttl)
  return ok and text or nil, err
end


function Memory:fetch(key)
  if type(key) ~= "string" then
    return nil, ERR_KEY
  end
  local text, err = self.dict:get(key)
  if not text then
    return nil, err or ERR_ABSENT
  end
  local value = cjson.decode(text)
  if not value then
    return nil, "could not decode request object"
  end
  return value
end


-- Lets a value begin anew.
function Memory:touch(key, ttl, timestamp)
  local value, err = self:fetch(key)
  if not value then
    return nil, err
  end
  value.timestamp = timestamp or ngx.time()
  return self:store(key, value, ttl)
end


function Memory:purge(key)
  if type(key) ~= "string" then
    return nil, ERR_KEY
  end
  self.dict:delete(key)
  return true
end


-- Removes everything; the memory is given back at once with `free`.
function Memory:flush(free)
  self.dict:flush_all()
  if free then
    self.dict:flush_expired()
  end
  return true
end


return Memory
