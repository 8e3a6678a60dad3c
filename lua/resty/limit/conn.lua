-- resty.limit.conn: so many at once, with a burst that is delayed.
local floor = math.floor
local assert, setmetatable = assert, setmetatable
local ngx_shared = ngx.shared

local _M = { _VERSION = "0.09" }
local mt = { __index = _M }


function _M.new(name, max, burst, unit_delay)
  local dict = ngx_shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(max > 0 and burst >= 0 and unit_delay > 0)
  return setmetatable({ dict = dict, max = max + 0, burst = burst, unit_delay = unit_delay }, mt)
end


-- The delay in seconds and how many there are; nil and "rejected" beyond the burst.
function _M:incoming(key, commit)
  local dict, max = self.dict, self.max
  self.committed = false
  local count, err
  if commit then
    count, err = dict:incr(key, 1, 0)
    if not count then
      return nil, err
    end
    if count > max + self.burst then
      count, err = dict:incr(key, -1)
      if not count then
        return nil, err
      end
      return nil, "rejected"
    end
    self.committed = true
  else
    count = (dict:get(key) or 0) + 1
    if count > max + self.burst then
      return nil, "rejected"
    end
  end
  if count > max then
    return self.unit_delay * floor((count - 1) / max), count
  end
  return 0, count
end


function _M:is_committed()
  return self.committed
end


-- One has left; its time corrects the delay of those that come.
function _M:leaving(key, latency)
  local count, err = self.dict:incr(key, -1)
  if not count then
    return nil, err
  end
  if latency then
    self.unit_delay = (latency + self.unit_delay) / 2
  end
  return count
end


function _M:uncommit(key)
  return self.dict:incr(key, -1)
end

function _M:set_conn(max)
  self.max = max
end

function _M:set_burst(burst)
  self.burst = burst
end


return _M
