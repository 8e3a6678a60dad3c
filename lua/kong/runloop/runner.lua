-- Runs plugins: the loop over a plan in each phase.
--
-- A plan belongs to a route of one generation of the configuration. It is a list of steps in
-- execution order; a step has the plugin, the configuration that holds while no consumer is known,
-- and whether a consumer may bring another one. Lists of what runs after access stand ready in the
-- plan unless a consumer may change them; then they are made during access.
--
-- A plugin that ends the phase or throws leaves the loop without coming back: the host then calls
-- `collect_rest`, since the filters of plugins that did not get to run do run.

local context = require "kong.runloop.context"
local native = require "kong.native"
local registry = require "kong.runloop.registry"

local kong, ngx = kong, ngx
local ipairs, pcall = ipairs, pcall

local LATER = { "response", "header_filter", "body_filter", "log" }

local plans = {}
local plugins = {}

local _M = {}


-- ---- set-up ---------------------------------------------------------------------------------

-- Loads the plugins of this VM. Answers names, priorities, versions and phase bits in order.
function _M.load(names)
  local loaded, err = registry.load_all(names)
  if not loaded then
    return nil, err
  end
  plugins = loaded
  local kinds = {}
  for i, plugin in ipairs(loaded) do
    local handler = plugin.handler
    kinds[i] = { plugin.name, handler.PRIORITY, handler.VERSION, plugin.phases }
  end
  return kinds
end


-- Runs `init_worker` of all plugins. What one throws is told and does not keep the others from it.
function _M.init_worker()
  for _, plugin in ipairs(plugins) do
    if plugin.init_worker then
      context.global_plugin = plugin
      local ok, err = pcall(plugin.init_worker, plugin.handler)
      context.global_plugin = nil
      if not ok then
        kong.log.err("worker initialization error: failed to execute the \"init_worker\" handler for "
                     .. "plugin \"", plugin.name, "\": ", err)
      end
    end
  end
end


-- Tells the plugins with a `configure` phase their configurations; `configs` has a list for each
-- plugin in use, by its number.
function _M.configure(configs)
  for number, plugin in ipairs(plugins) do
    if plugin.configure then
      context.global_plugin = plugin
      local ok, err = pcall(plugin.configure, plugin.handler, configs[number])
      context.global_plugin = nil
      if not ok then
        kong.log.err("failed to execute plugin '", plugin.name, ":configure (", err, ")")
      end
    end
  end
end


-- ---- plans ----------------------------------------------------------------------------------

local function add(list, plugin, conf)
  local n = list.n
  list[n + 1], list[n + 2] = plugin, conf
  list.n = n + 2
end


local function lists()
  return { response = { n = 0 }, header_filter = { n = 0 }, body_filter = { n = 0 }, log = { n = 0 } }
end


local function collect(later, plugin, conf)
  for i = 1, #LATER do
    local phase = LATER[i]
    if plugin[phase] then
      add(later[phase], plugin, conf)
    end
  end
end


-- Makes plan `number` out of steps given flat: number of the plugin, configuration or false,
-- whether a consumer may bring another.
function _M.define(number, ...)
  local flat = { ... }
  local plan = { n = 0, later = lists(), by_consumer = false, rewrite = { n = 0 }, certificate = { n = 0 } }
  for i = 1, #flat, 3 do
    local plugin, conf, by_consumer = plugins[flat[i]], flat[i + 1], flat[i + 2]
    plan.n = plan.n + 1
    plan[plan.n] = { plugin = plugin, number = flat[i], conf = conf, by_consumer = by_consumer }
    plan.by_consumer = plan.by_consumer or by_consumer
    if conf then
      collect(plan.later, plugin, conf)
      for _, phase in ipairs { "rewrite", "certificate" } do
        if plugin[phase] then
          add(plan[phase], plugin, conf)
        end
      end
    end
  end
  plans[number] = plan
end


function _M.forget(number)
  plans[number] = nil
end


-- ---- phases ---------------------------------------------------------------------------------

-- Runs one phase of the plugins in a list.
local function run(phase, list, ctx)
  for i = 1, list.n, 2 do
    local plugin, conf = list[i], list[i + 1]
    ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = plugin, conf
    plugin[phase](plugin.handler, conf)
  end
  ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = nil, nil
end


local function early(phase)
  return function(number)
    local plan = plans[number]
    run(phase, plan[phase], context.enter())
  end
end

_M.rewrite = early "rewrite"
_M.certificate = early "certificate"


-- The configuration of a step for the consumer that has been authenticated, if any.
local function conf_of(step, ctx)
  local consumer = step.by_consumer and ctx.authenticated_consumer
  return consumer and native.consumer_conf(step.number, consumer.id) or step.conf
end


local function access_by_consumer(plan, ctx)
  local later = lists()
  ctx.KONG_LATER = later
  for i = 1, plan.n do
    local step = plan[i]
    local conf = conf_of(step, ctx)
    ctx.KONG_STEP = i
    if conf then
      local plugin = step.plugin
      collect(later, plugin, conf)
      if plugin.access then
        ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = plugin, conf
        plugin.access(plugin.handler, conf)
      end
    end
  end
end


function _M.access(number)
  local plan = plans[number]
  local ctx = context.enter()
  if plan.by_consumer then
    access_by_consumer(plan, ctx)
  else
    ctx.KONG_LATER = plan.later
    for i = 1, plan.n do
      local step = plan[i]
      local plugin = step.plugin
      if plugin.access then
        ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = plugin, step.conf
        plugin.access(plugin.handler, step.conf)
      end
    end
  end
  ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = nil, nil
end


-- Finds the filters of the plugins behind the one that ended access.
function _M.collect_rest(number)
  local plan, ctx = plans[number], ngx.ctx
  ctx.KONG_PLUGIN, ctx.KONG_PLUGIN_CONF = nil, nil
  if plan.by_consumer then
    for i = (ctx.KONG_STEP or 0) + 1, plan.n do
      local step = plan[i]
      local conf = conf_of(step, ctx)
      if conf then
        collect(ctx.KONG_LATER, step.plugin, conf)
      end
    end
  end
end


local function late(phase)
  return function(number)
    local plan = plans[number]
    local ctx = context.enter()
    run(phase, (ctx.KONG_LATER or plan.later)[phase], ctx)
  end
end

for _, phase in ipairs(LATER) do
  _M[phase] = late(phase)
end


-- Runs what is left of a list after the plugin that threw: a failing logger keeps no other from
-- logging.
function _M.log_rest(number)
  local plan, ctx = plans[number], ngx.ctx
  local list, failed = (ctx.KONG_LATER or plan.later).log, ctx.KONG_PLUGIN
  local rest, behind = { n = 0 }, false
  for i = 1, list.n, 2 do
    if behind then
      add(rest, list[i], list[i + 1])
    end
    behind = behind or list[i] == failed
  end
  run("log", rest, ctx)
end


-- The name of the plugin that runs now, for the error log.
function _M.running()
  local plugin = ngx.ctx.KONG_PLUGIN
  return plugin and plugin.name
end


return _M
