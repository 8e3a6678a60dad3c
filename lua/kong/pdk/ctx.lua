-- kong.ctx: values that live as long as the request.
--
-- `shared` and `core` are one table per request, `plugin` is one per request and plugin. Where no
-- request is served all three are nil.

local host = require "kong.host"

local ngx = ngx
local setmetatable = setmetatable

-- Where the tables lie in the request's context; keys that no plugin can hold.
local SHARED, CORE = {}, {}

-- The key of the part asked for; a plugin's handler is the key of its own.
local keys = {
  shared = function() return SHARED end,
  core = function() return CORE end,
  plugin = function(ctx)
    local plugin = ctx.KONG_PLUGIN
    return plugin and plugin.handler
  end,
}

local _CTX = setmetatable({}, {
  __index = function(_, name)
    local key_of = keys[name]
    if not key_of or not host.has_request() then
      return nil
    end
    local ctx = ngx.ctx
    local key = key_of(ctx)
    if not key then
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
