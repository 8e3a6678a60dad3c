-- resty.core.time: the monotonic clock.
local ffi = require "ffi"

local C = ffi.C
local floor, tonumber = math.floor, tonumber

local CLOCK_MONOTONIC = 1

-- Declared once for the whole VM, as plugins find it.
require "kong.declarations"

local time = ffi.new("struct timespec[1]")

local _M = { version = "0.1.28" }

function _M.monotonic_msec()
  C.clock_gettime(CLOCK_MONOTONIC, time)
  local now = time[0]
  return tonumber(now.tv_sec) * 1000 + floor(tonumber(now.tv_nsec) / 1000000)
end

function _M.monotonic_time()
  return _M.monotonic_msec() / 1000
end

return _M
