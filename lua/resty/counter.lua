-- resty.counter: counters in a shared dictionary, added up in the worker between two writes.
local every, shared = ngx.timer.every, ngx.shared
local error, pairs, setmetatable = error, pairs, setmetatable

local _M = { _VERSION = "0.2.1" }
local mt = { __index = _M }

-- Increments that are not in the dictionary yet, by dictionary; workers share none of this.
local waiting = {}

local function write(dict, sums)
  for key, sum in pairs(sums) do
    sums[key] = nil
    local _, err = dict:incr(key, sum, 0)
    if err then
      ngx.log(ngx.ERR, "failed to write the counter ", key, ": ", err)
    end
  end
end

-- Without an interval every increment goes to the dictionary at once.
function _M.new(dict_name, interval)
  local dict = shared[dict_name]
  if not dict then
    error("shared dict not defined: " .. dict_name, 2)
  end
  local counter = { dict = dict }
  if interval then
    if not waiting[dict_name] then
      waiting[dict_name] = {}
      local _, err = every(interval, function()
        write(dict, waiting[dict_name])
      end)
      if err then
        return nil, err
      end
    end
    counter.sums = waiting[dict_name]
  end
  return setmetatable(counter, mt)
end

function _M:sync()
  if self.sums then
    write(self.dict, self.sums)
  end
  return true
end

function _M:incr(key, step)
  step = step or 1
  if self.sums then
    self.sums[key] = (self.sums[key] or 0) + step
    return true
  end
  local _, err = self.dict:incr(key, step, 0)
  if err then
    return nil, err
  end
  return true
end

function _M:reset(key, number)
  local sums = self.sums
  if sums then
    sums[key] = nil
  end
  return self.dict:set(key, number or 0)
end

-- What the dictionary holds: increments of this worker count from the next write on.
function _M:get(key)
  return self.dict:get(key)
end

function _M:get_keys(max)
  return self.dict:get_keys(max)
end

return _M
