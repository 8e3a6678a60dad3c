-- What runs: the request, its `ngx.ctx`, its plugin. Read and written where the host has it, over LuaJIT's
-- FFI, so that asking costs compiled code no call; over the C API where the JIT is off.

local host = debug.getregistry()["kong.running"]
local contexts, make = host.contexts, host.ctx

if not host.current then
  return {
    has_request = host.has_request,
    ctx = make,
    existing_ctx = host.existing_ctx,
    plugin = host.plugin,
    enter = host.enter,
    plan = host.plan,
  }
end

local ffi = require "ffi"
local new_table = require "table.new"

local cast, setmetatable = ffi.cast, setmetatable

ffi.cdef [[
  typedef struct { int32_t place, room, has_ctx, plugin; double plan; } kong_running;
]]

-- The address of the running code's request, null for none; and where in it the rest lies.
local current = cast("char *const *", host.current)
local AT = host.at
local RUNNING = ffi.typeof("kong_running *")

local _M = {}

function _M.has_request()
  return current[0] ~= nil
end

-- `ngx.ctx`, made at its first use. Of code that runs for no request the host has it.
function _M.ctx()
  local request = current[0]
  if request == nil then
    return (make())
  end
  local running = cast(RUNNING, request + AT)
  local place = running.place
  local ctx = contexts[place]
  if ctx then
    return ctx
  end
  local metatable = contexts.metatable
  if place == 0 or not metatable then
    return (make())
  end
  ctx = setmetatable(new_table(0, running.room), metatable)
  contexts[place] = ctx
  running.has_ctx = 1
  return ctx
end

-- `ngx.ctx` of a request if it has been made, or false.
function _M.existing_ctx()
  local request = current[0]
  return request ~= nil and contexts[cast(RUNNING, request + AT).place]
end

-- The number of the plugin that runs; zero for none.
function _M.plugin()
  local request = current[0]
  if request == nil then
    return 0
  end
  return cast(RUNNING, request + AT).plugin
end

-- Notes which plugin runs from now on. Only where a request is served.
function _M.enter(number)
  cast(RUNNING, current[0] + AT).plugin = number
end

-- The number of the plan that runs; zero for none.
function _M.plan()
  local request = current[0]
  if request == nil then
    return 0
  end
  return cast(RUNNING, request + AT).plan
end

return _M
