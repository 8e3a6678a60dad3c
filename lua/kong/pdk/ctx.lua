-- kong.ctx: values that live as long as the request, or the call of a timer.
--
-- `shared` and `core` are one table per request, `plugin` is one per request and plugin; other names
-- are those that `kong.global` set. While the VM is set up all are nil. They lie in `ngx.ctx`, but for what a
-- plugin keeps for a request: most plugins need no more, and then no `ngx.ctx` is made.

local host = require "host.running"
local new_table = require "table.new"
local running = require "kong.runloop.running"

local ngx = ngx
local handlers = running.handlers
local has_request, own, plugin_number, request_ctx = host.has_request, host.own, host.plugin, host.ctx
local rawget, rawset, setmetatable = rawget, rawset, setmetatable

-- Where the tables lie in the request's context; keys that no plugin can hold.
local SHARED, CORE = {}, {}
-- What most plugins keep for a request.
local FIELDS = 2


-- The key of a named part; a plugin's handler is the key of its own.
local function named(ctx, name)
  local names = rawget(ctx, "KONG_NAMESPACES")
  local key = names and names[name]
  if key == nil and name == "plugin" then
    return handlers[plugin_number()]
  end
  return key
end


local _CTX = setmetatable({}, {
  __index = function(_, name)
    local mine = name == "plugin" and own()
    if mine then
      return mine
    end
    if not has_request() and ngx.get_phase() == "init" then
      return nil
    end
    local ctx = request_ctx()
    local key
    if name == "shared" then
      key = SHARED
    elseif name == "core" then
      key = CORE
    else
      key = named(ctx, name)
    end
    if key == nil then
      return nil
    end
    local values = rawget(ctx, key)
    if not values then
      values = new_table(0, FIELDS)
      rawset(ctx, key, values)
    end
    return values
  end,
})

return { new = function() return _CTX end }
