-- The coroutine functions that let host calls wait inside user coroutines, and the global `ngx`.
local ngx, _, SENTINEL = ...

local error = error
local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local thread_status = ngx.thread._status
ngx.thread._status = nil

-- A wait of the inner coroutine becomes a wait of the outer one, up to the driver. What the driver
-- resumes with lies on the outer stack and is handed in again.
local pass_wait
function pass_wait(thread, ok, first, ...)
  if ok and first == SENTINEL then
    return pass_wait(thread, resume(thread, yield(SENTINEL)))
  end
  return ok, first, ...
end

function coroutine.resume(thread, ...)
  return pass_wait(thread, resume(thread, ...))
end

local function results(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

function coroutine.wrap(body)
  local thread = create(body)
  return function(...)
    return results(pass_wait(thread, resume(thread, ...)))
  end
end

function coroutine.status(thread)
  return thread_status(thread) or status(thread)
end

_G.ngx = ngx
package.loaded.ngx = ngx
