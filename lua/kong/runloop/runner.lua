-- Runs plugins: their order and configurations for each route.
--
-- A plan belongs to a route of one generation of the configuration. It is a list of steps in
-- execution order; a step has the plugin, the configuration that holds while no consumer is known,
-- and whether a consumer may bring another one. The host calls the phases of a plan by itself, as
-- `kong.runloop.shape` made them; which plugin runs is kept by `kong.runloop.running`.
--
-- Where consumers bring configurations, `access` notes in the request's context what runs for this
-- one. A plugin that ends the phase or throws leaves it without coming back: the host then calls
-- `collect_rest`, since the filters of plugins that did not get to run do run.

local context = require "kong.runloop.context"
local native = require "kong.native"
local registry = require "kong.runloop.registry"
local running = require "kong.runloop.running"
local shape = require "kong.runloop.shape"
local trace = require "kong.observability.tracing.instrumentation"
local vault = require "kong.pdk.vault"

local kong, ngx = kong, ngx
local enter = require("host.running").enter
local ipairs, pairs, pcall = ipairs, pairs, pcall

-- Where the host finds the parts of a plan.
local PARTS = { "access", "response", "header_filter", "body_filter", "log", "rewrite", "certificate" }
local CONFS = running.CONFS
-- More than there are numbers of plans.
local CUT = 2 ^ 32

local plans, plugins = running.plans, running.plugins

-- `parts`: those of all plans in one list, where the host finds them fastest: those of plan `number` from
-- `number * CONFS + 1` on, its configurations last. `context_mt`: the metatable that the host gives the
-- context of a request.
local _M = { plans = plans, parts = {}, context_mt = context.mt }


-- ---- set-up ---------------------------------------------------------------------------------

-- Loads the plugins of this VM. Answers names, priorities, versions and phase bits in order.
function _M.load(names)
  local loaded, err = registry.load_all(names)
  if not loaded then
    return nil, err
  end
  running.use(loaded)
  local kinds = {}
  for i, plugin in ipairs(loaded) do
    local handler = plugin.handler
    kinds[i] = { plugin.name, handler.PRIORITY, handler.VERSION, plugin.phases }
  end
  return kinds
end


-- Calls `run` for every plugin in order; what one throws goes to `failed`. An error that no `pcall` holds,
-- the watchdog's, leaves the loop: the host then calls again with it, and it goes on behind that plugin.
local function each_plugin(run, failed)
  local reached = 0
  return function(stopped, ...)
    if stopped then
      running.global_plugin = nil
      failed(plugins[reached], stopped)
    else
      reached = 0
    end
    while reached < #plugins do
      reached = reached + 1
      local plugin = plugins[reached]
      running.global_plugin = plugin
      local ok, err = pcall(run, plugin, reached, ...)
      running.global_plugin = nil
      if not ok then
        failed(plugin, err)
      end
    end
  end
end


-- Which plugins have a `configure` phase, by number.
function _M.configurable()
  local which = {}
  for number, plugin in ipairs(plugins) do
    which[number] = plugin.configure ~= nil
  end
  return which
end


local initialize = each_plugin(function(plugin, _, only)
  if plugin.init_worker and (not only or only[plugin.name]) then
    plugin.init_worker(plugin.handler)
  end
end, function(plugin, err)
  kong.log.err("worker initialization error: failed to execute the \"init_worker\" handler for plugin \"",
               plugin.name, "\": ", err)
end)


-- Runs `init_worker` of all plugins, or of `only` those named. What one throws is told and does not keep the
-- others from it.
function _M.init_worker(stopped, only)
  kong.vault.init_worker()
  initialize(stopped, only)
end


local reconfigure = each_plugin(function(plugin, number, configs, only)
  if plugin.configure and (not only or only[plugin.name]) then
    plugin.configure(plugin.handler, configs[number])
  end
end, function(plugin, err)
  kong.log.err("failed to execute plugin '", plugin.name, ":configure (", err, ")")
end)


-- Tells the plugins with a `configure` phase their configurations; `configs` has a list for each
-- plugin in use, by its number.
function _M.configure(configs, stopped)
  reconfigure(stopped, configs)
end


-- The same for the plugins named, with lists by name.
function _M.configure_named(only, by_name)
  local configs = {}
  for number, plugin in ipairs(plugins) do
    configs[number] = by_name[plugin.name]
  end
  reconfigure(nil, configs, only)
end


-- ---- plans ----------------------------------------------------------------------------------

-- Gives a plan its parts.
local function shaped(plan, measured)
  for i, phase in ipairs(PARTS) do
    plan[i] = shape.of(plan.steps, phase, plan.chosen, measured)
  end
  return plan
end


-- Makes plan `number` out of steps given flat: number of the plugin, configuration or false,
-- whether a consumer may bring another.
function _M.define(number, ...)
  local flat = { ... }
  local plan = { steps = {}, chosen = false, [CONFS] = {} }
  for i = 1, #flat, 3 do
    local n, by_consumer = #plan.steps + 1, flat[i + 2]
    plan.steps[n] = { plugin = plugins[flat[i]], by_consumer = by_consumer }
    plan[CONFS][n] = flat[i + 1]
    vault.watch(flat[i + 1])
    plan.chosen = plan.chosen or by_consumer
  end
  plans[number] = shaped(plan, false)
  for i = 1, CONFS do
    _M.parts[number * CONFS + i] = plan[i]
  end
end


-- Makes plan `number` a second time, with plugins that are measured.
function _M.measure(number)
  local plan = plans[number]
  if not plans[-number] then
    plans[-number] = shaped({ steps = plan.steps, chosen = plan.chosen, [CONFS] = plan[CONFS] }, true)
  end
end


function _M.forget(number)
  for key in pairs(plans[number] and plans[number].cuts or {}) do
    plans[key], plans[-key] = nil, nil
  end
  plans[number], plans[-number] = nil, nil
  for i = 1, CONFS do
    _M.parts[number * CONFS + i] = nil
  end
end


-- Ends a plan for this request with the plugin that runs: `ngx.exit` in access keeps those behind it from
-- the later phases too. Answers how many steps are left, zero for all: the rest of the plan stands under its
-- number and that many times CUT.
function _M.cut(number)
  local plan, plugin = plans[number], running.plugin()
  local last = 0
  for i, step in ipairs(plan and plan.steps or {}) do
    last = step.plugin == plugin and i or last
  end
  enter(0)
  if last == 0 or last == #plan.steps then
    return 0
  end
  local key = number + last * CUT
  if not plans[key] then
    local steps = {}
    for i = 1, last do
      steps[i] = plan.steps[i]
    end
    plans[key] = shaped({ steps = steps, chosen = plan.chosen, [CONFS] = plan[CONFS] }, false)
    plan.cuts = plan.cuts or {}
    plan.cuts[key] = true
  end
  return last
end


-- Finds the filters of the plugins behind the one that ended access.
function _M.collect_rest(number)
  local plan, ctx = plans[number], ngx.ctx
  local confs, consumer = ctx.KONG_CONFS, ctx.authenticated_consumer
  enter(0)
  if not plan or not confs then
    -- a plugin has put another table in the place of ngx.ctx: later phases take what holds for no consumer
    return
  end
  for i = #confs + 1, #plan.steps do
    local step = plan.steps[i]
    confs[i] = step.by_consumer and consumer and native.consumer_conf(step.plugin.number, consumer.id)
               or plan[CONFS][i]
  end
end


-- Runs the loggers behind the one that threw: it keeps no other from logging.
function _M.log_rest(number)
  local plan = plans[number]
  if not plan then
    return
  end
  local confs, failed, behind = ngx.ctx.KONG_CONFS or plan[CONFS], running.plugin(), false
  for i, step in ipairs(plan.steps) do
    local plugin, conf = step.plugin, confs[i]
    if behind and conf and plugin.log then
      enter(plugin.number)
      plugin.handler:log(conf)
    end
    behind = behind or plugin == failed
  end
  enter(0)
end


-- Gets secrets of vaults written in Lua, which configurations of a plan to be made refer to.
_M.resolve = vault.resolve


-- The name of the plugin that runs now, for the error log, and for its span what it threw.
function _M.running(message)
  local plugin = running.plugin()
  if trace.enabled then
    trace.failed(message)
  end
  return plugin and plugin.name
end


return _M
