-- resty.core.time: the monotonic clock.
local ffi = require "ffi"

local C = ffi.C
local floor, tonumber = math.floor, tonumber

local CLOCK_MONOTONIC = 1

ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } kong_monotonic_time;
  int clock_gettime(int clock, kong_monotonic_time *into);
]]

local time = ffi.new("kong_monotonic_time[1]")

local _M = { version = "0.1.29" }

function _M.monotonic_msec()
  C.clock_gettime(CLOCK_MONOTONIC, time)
  local now = time[0]
  return tonumber(now.seconds) * 1000 + floor(tonumber(now.nanoseconds) / 1000000)
end

function _M.monotonic_time()
  return _M.monotonic_msec() / 1000
end

return _M
