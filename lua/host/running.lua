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
    own = function() return nil end,
  }
end

local ffi = require "ffi"
local new_table = require "table.new"

local kept = host.kept
local cast, rawget, setmetatable = ffi.cast, rawget, setmetatable

ffi.cdef [[
  typedef struct {
    int32_t place, has_ctx, plugin, kept; double plan; uint8_t keepers[12];
  } kong_running;
]]

-- So many plugins keep values of their own at a request's place, and the greatest number that they may have.
local MOST_KEEPERS, LAST_KEEPER = 12, 255
-- What most plugins keep for a request, and what all of them do in `ngx.ctx`.
local OWN_FIELDS, FIELDS = 2, 4

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
  ctx = setmetatable(new_table(0, FIELDS), metatable)
  contexts[place] = ctx
  running.has_ctx = 1
  return ctx
end

-- `ngx.ctx` of a request if it has been made, or false.
function _M.existing_ctx()
  local request = current[0]
  return request ~= nil and contexts[cast(RUNNING, request + AT).place]
end

-- Room for what a plugin keeps for each of the requests. Nothing is false, so that it stays an array.
local function keep(plugin)
  local places = new_table(#contexts, 0)
  for place = 1, #contexts do
    places[place] = false
  end
  kept[plugin] = places
  return places
end

-- What the plugin that runs keeps for the request, made at its first use; nil where that is for `ngx.ctx`
-- to hold: without a plugin, past the most keepers, or where the name `plugin` stands for another key.
function _M.own()
  local request = current[0]
  if request == nil then
    return nil
  end
  local running = cast(RUNNING, request + AT)
  local place, plugin = running.place, running.plugin
  if place == 0 or plugin == 0 or plugin > LAST_KEEPER then
    return nil
  end
  local ctx = contexts[place]
  local names = ctx and rawget(ctx, "KONG_NAMESPACES")
  if names and names.plugin ~= nil then
    return nil
  end
  local places = kept[plugin] or keep(plugin)
  local values = places[place]
  if values then
    return values
  end
  local count = running.kept
  if count == MOST_KEEPERS then
    return nil
  end
  values = new_table(0, OWN_FIELDS)
  places[place] = values
  running.keepers[count] = plugin
  running.kept = count + 1
  return values
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
