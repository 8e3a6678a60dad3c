-- Which plugin runs, and by which configuration. The host has the numbers, here is what they stand for.

local host = require "host.running"

local existing_ctx, plan_number, plugin_number = host.existing_ctx, host.plan, host.plugin
local ipairs, rawget = ipairs, rawget

-- The plugins of this VM and their handlers, by number.
local plugins, handlers = {}, {}
-- The plans by their number: a plan has `steps`, and under CONFS their configurations. One under a negative
-- number tells how long its plugins take.
local plans = {}
local CONFS = 8

local _M = {
  plugins = plugins,
  handlers = handlers,
  plans = plans,
  CONFS = CONFS,
  -- The plugin that runs where no request is served.
  global_plugin = nil,
}


-- Makes these the plugins of the VM.
function _M.use(list)
  for i = #list + 1, #plugins do
    plugins[i], handlers[i] = nil, nil
  end
  for i, plugin in ipairs(list) do
    plugin.number = i
    plugins[i], handlers[i] = plugin, plugin.handler
  end
end


-- The plugin that runs for the request; nil for none.
function _M.plugin()
  return plugins[plugin_number()]
end


-- The configuration it runs by.
function _M.conf()
  local plugin, plan = plugins[plugin_number()], plans[plan_number()]
  if not plugin or not plan then
    return nil
  end
  local ctx = existing_ctx()
  local confs = ctx and rawget(ctx, "KONG_CONFS") or plan[CONFS]
  for i, step in ipairs(plan.steps) do
    if step.plugin == plugin then
      return confs[i] or nil
    end
  end
end


return _M
