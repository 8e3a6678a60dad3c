-- Clocks, in the units their names say.

local native = require "kong.native"

local ngx = ngx
local error = error
local match, tonumber = string.match, tonumber

local UNIT_SECONDS = { [""] = 1, s = 1, m = 60, h = 3600, d = 86400, w = 604800, M = 2592000, y = 31536000 }

local _M = {}


-- Seconds that a time of nginx's grammar stands for: "1h 30m" is 5400.
function _M.nginx_conf_time_to_seconds(text)
  local total, rest = 0, text
  if text == "" then
    error("bad argument #1 'str'", 2)
  end
  while rest ~= "" do
    local digits, unit, after = match(rest, "^(%d+)(%a*)%s*(.*)$")
    local seconds = UNIT_SECONDS[unit]
    if not seconds then
      error("bad argument #1 'str'", 2)
    end
    total = total + tonumber(digits) * seconds
    rest = after
  end
  return total
end


-- Nanoseconds since the epoch.
function _M.time_ns()
  return native.clock_us() * 1e3
end


function _M.get_now_ms()
  return ngx.now() * 1000
end


function _M.get_updated_now()
  ngx.update_time()
  return ngx.now()
end


function _M.get_updated_now_ms()
  return _M.get_updated_now() * 1000
end


function _M.get_start_time_ms()
  return ngx.req.start_time() * 1000
end


-- Milliseconds of a clock that never goes back.
function _M.get_updated_monotonic_ms()
  return native.monotonic_ms()
end


return _M
