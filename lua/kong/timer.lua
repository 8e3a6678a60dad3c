-- kong.timer: named timers over `ngx.timer`.

local ngx = ngx
local pcall = pcall

local _M = {}


function _M:named_at(_, delay, callback, ...)
  return ngx.timer.at(delay, callback, ...)
end


function _M:at(delay, callback, ...)
  return ngx.timer.at(delay, callback, ...)
end


function _M:named_every(_, interval, callback, ...)
  return ngx.timer.every(interval, callback, ...)
end


function _M:every(interval, callback, ...)
  return ngx.timer.every(interval, callback, ...)
end


-- Cancelling by name is not possible: a timer that must end looks at a condition of its own.
function _M:cancel()
  return nil, "timers cannot be cancelled"
end


function _M:stats()
  local _, running = pcall(ngx.timer.running_count)
  local _, pending = pcall(ngx.timer.pending_count)
  return { sys = { running = running, pending = pending }, timers = {} }
end


return _M
