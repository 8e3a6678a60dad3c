-- resty.limit.req: so many events a second, with a burst that is delayed: a leaky bucket.
--
-- A key holds the excess in thousandths of an event and the time of the last event.
local ffi = require "ffi"

local abs, max = math.abs, math.max
local assert, setmetatable, tonumber, type = assert, setmetatable, tonumber, type
local now, ngx_shared = ngx.now, ngx.shared

ffi.cdef [[
  typedef struct { unsigned long excess; uint64_t last; } kong_leaky_bucket;
]]
local record = ffi.new("kong_leaky_bucket[1]")
local pointer = ffi.typeof("const kong_leaky_bucket *")
local SIZE = ffi.sizeof("kong_leaky_bucket")

local _M = { _VERSION = "0.09" }
local mt = { __index = _M }


function _M.new(name, rate, burst)
  local dict = ngx_shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(rate > 0 and burst >= 0)
  return setmetatable({ dict = dict, rate = rate * 1000, burst = burst * 1000 }, mt)
end


local function weigh(self, stored, time)
  if not stored then
    return 0
  end
  if type(stored) ~= "string" or #stored ~= SIZE then
    return nil, "shdict abused by other users"
  end
  local last = ffi.cast(pointer, stored)[0]
  local elapsed = time - tonumber(last.last)
  return max(tonumber(last.excess) - self.rate * abs(elapsed) / 1000 + 1000, 0)
end


-- The delay in seconds and the excess in events; nil and "rejected" beyond the burst.
function _M:incoming(key, commit)
  local time = now() * 1000
  local stored, get_err = self.dict:get(key)
  if get_err and not stored then
    return nil, get_err
  end
  local excess, err = weigh(self, stored, time)
  if not excess then
    return nil, err
  end
  if excess > self.burst then
    return nil, "rejected"
  end
  if commit then
    record[0].excess, record[0].last = excess, time
    self.dict:set(key, ffi.string(record, SIZE))
  end
  return excess / self.rate, excess / 1000
end


function _M:set_rate(rate)
  self.rate = rate * 1000
end

function _M:set_burst(burst)
  self.burst = burst * 1000
end


-- Takes an event back.
function _M:uncommit(key)
  local stored = self.dict:get(key)
  if not stored then
    return nil, "not found"
  end
  if type(stored) ~= "string" or #stored ~= SIZE then
    return nil, "shdict abused by other users"
  end
  local last = ffi.cast(pointer, stored)[0]
  record[0].excess, record[0].last = max(tonumber(last.excess) - 1000, 0), last.last
  self.dict:set(key, ffi.string(record, SIZE))
  return true
end


return _M
