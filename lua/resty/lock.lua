-- resty.lock: a lock by name, held in a shared dictionary and so by one worker at a time.
local now, shared, sleep = ngx.now, ngx.shared, ngx.sleep
local min = math.min
local setmetatable, tostring = setmetatable, tostring

local DEFAULTS = { exptime = 30, timeout = 5, step = 0.001, ratio = 2, max_step = 0.5 }

local _M = { _VERSION = "0.09" }
local mt = { __index = _M }

function _M:new(dict_name, options)
  local dict = shared[dict_name]
  if not dict then
    return nil, "dictionary not found"
  end
  options = options or {}
  local lock = { dict = dict }
  for name, default in pairs(DEFAULTS) do
    lock[name] = options[name] or default
  end
  -- Waiting longer than the lock can be held would be in vain.
  lock.timeout = min(lock.timeout, lock.exptime)
  return setmetatable(lock, mt)
end

-- Seconds it took to get the lock, or nil and why not: "locked", "timeout" or the dictionary's error.
function _M:lock(key)
  if not key then
    return nil, "nil key"
  end
  if self.held then
    return nil, "locked"
  end
  key = tostring(key)
  local begun, step = now(), self.step
  local waited = 0
  while true do
    local ok, err = self.dict:add(key, true, self.exptime)
    if ok then
      self.held = key
      return waited
    end
    if err ~= "exists" then
      return nil, err
    end
    local left = self.timeout - waited
    if left <= 0 then
      return nil, "timeout"
    end
    sleep(min(step, left))
    step = min(step * self.ratio, self.max_step)
    waited = now() - begun
  end
end

function _M:unlock()
  if not self.held then
    return nil, "unlocked"
  end
  local ok, err = self.dict:delete(self.held)
  if not ok then
    return nil, err
  end
  self.held = nil
  return 1
end

function _M:expire(time)
  if not self.held then
    return nil, "unlocked"
  end
  local ok, err = self.dict:replace(self.held, true, time or self.exptime)
  if not ok then
    return nil, err
  end
  return true
end

return _M
