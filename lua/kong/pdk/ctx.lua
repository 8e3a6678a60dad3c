-- kong.ctx: values that live as long as the request, or the call of a timer.
--
-- `shared` and `core` are one table per request, `plugin` is one per request and plugin; other names
-- are those that `kong.global` set. While the VM is set up all are nil.

local host = require "kong.host"

local ngx = ngx
local setmetatable = setmetatable

-- Where the tables lie in the request's context; keys that no plugin can hold.
local SHARED, CORE = {}, {}


-- The key of a named part; a plugin's handler is the key of its own.
local function named(ctx, name)
  local names = ctx.KONG_NAMESPACES
  local key = names and names[name]
  if key == nil and name == "plugin" then
    local plugin = ctx.KONG_PLUGIN
    return plugin and plugin.handler
  end
  return key
end


local _CTX = setmetatable({}, {
  __index = function(_, name)
    if not host.has_request() and ngx.get_phase() == "init" then
      return nil
    end
    local ctx = ngx.ctx
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
    local values = ctx[key]
    if not values then
      values = {}
      ctx[key] = values
    end
    return values
  end,
})

return { new = function() return _CTX end }
