--- The endpoints in Lua: those that plugins bring, `api.lua` for the Admin API and `status_api.lua` for the
-- Status API, and some of our own, which are about what lives in Lua.
--
-- An `api.lua` is of one of two styles. With a `schema` at its endpoints, these are laid over the ones that
-- follow from entities, and a handler may call what it replaces as its fourth argument. Without, they stand
-- for themselves.

local api_helpers = require "kong.api.api_helpers"
local application = require "lapis.application"
local arguments = require "kong.api.arguments"
local calls = require "kong.api.calls"
local Endpoints = require "kong.api.endpoints"
local module = require "kong.tools.module"
local native = require "kong.native"
local runner = require "kong.runloop.runner"

local ipairs, pairs, sort, type = ipairs, pairs, table.sort, type

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, CONNECT = true,
                  OPTIONS = true, TRACE = true, PATCH = true }

-- Modules with endpoints of our own, by kind.
local OWN = { api = { "kong.api.caches" }, status_api = {} }

-- Lists of endpoints by kind of module.
local served = {}
-- The plugins that bring endpoints, by name.
local bringing = {}

local _M = {}


-- ---- collecting -----------------------------------------------------------------------------

local generated


-- The endpoints that follow from entities, by path.
local function endpoints_of_entities()
  if not generated then
    generated = {}
    for _, dao in pairs(kong.db.daos) do
      if dao.schema.generate_admin_api ~= false then
        Endpoints.new(dao.schema, generated)
      end
    end
  end
  return generated
end


-- A handler that may call the one it takes the place of.
local function over(handler, parent)
  if not parent then
    return handler
  end
  return function(self, db, helpers)
    return handler(self, db, helpers, function(post_process)
      return parent(self, db, helpers, post_process)
    end)
  end
end


-- Lays an endpoint with a schema over what there is at its path.
local function lay_over(routes, path, endpoint, schema)
  local below = routes[path] or endpoints_of_entities()[path]
  local methods = endpoint.methods or endpoint
  local all = {}
  -- a `before` holds for what it lies over, too; otherwise that is left to whoever has it
  local takes_all = below and (methods.before or routes[path])
  for name, handler in pairs(takes_all and below.methods or {}) do
    all[name] = handler
  end
  for name, handler in pairs(methods) do
    if type(handler) == "function" then
      all[name] = over(handler, below and below.methods[name])
    end
  end
  schema = below and below.schema or endpoint.schema or schema
  routes[path] = { schema = schema, methods = all, has_args = true }
end


-- Adds the endpoints of one plugin's module.
local function collect(routes, endpoints)
  local schema = api_helpers.is_new_db_routes(endpoints)
  for path, endpoint in pairs(endpoints) do
    if type(endpoint) == "table" and type(path) == "string" and path:sub(1, 1) == "/" then
      if schema then
        lay_over(routes, path, endpoint, endpoints.schema)
      else
        routes[path] = { methods = endpoint }
      end
    end
  end
end


-- The methods of an endpoint that requests can have, sorted.
local function methods_of(endpoint)
  local names = {}
  for name, handler in pairs(endpoint.methods) do
    if METHODS[name] and type(handler) == "function" then
      names[#names + 1] = name
    end
  end
  sort(names)
  return names
end


--- Loads the modules of a kind (`api` or `status_api`) of plugins. Answers a list of path patterns with
-- methods, by whose places `serve` knows the endpoints.
function _M.load(kind, plugins)
  local routes, paths, list, rows = {}, {}, {}, {}
  for _, own in ipairs(OWN[kind]) do
    collect(routes, require(own))
  end
  for _, plugin in ipairs(plugins) do
    local found, endpoints = module.load_module_if_exists("kong.plugins." .. plugin .. "." .. kind)
    if found and type(endpoints) == "table" then
      collect(routes, endpoints)
      bringing[plugin] = true
    end
  end
  for path in pairs(routes) do
    paths[#paths + 1] = path
  end
  sort(paths)
  for i, path in ipairs(paths) do
    local endpoint = routes[path]
    endpoint.path = path
    list[i], rows[i] = endpoint, { pattern = path, methods = methods_of(endpoint) }
  end
  served[kind] = list
  return rows
end


--- Runs `init_worker` of the plugins that bring endpoints: their code here expects what that sets up.
function _M.start()
  runner.init_worker(nil, bringing)
end


-- The generation of the configuration that plugins were told of.
local told = -1


-- Tells the plugins their configurations after a change.
local function configure()
  local generation = native.generation()
  if generation == told then
    return
  end
  told = generation
  local configs = {}
  for plugin in kong.db.plugins:each() do
    if plugin and plugin.enabled and bringing[plugin.name] then
      local conf = plugin.config or {}
      conf.__plugin_id = plugin.id
      conf.route_id = plugin.route and plugin.route.id
      conf.service_id = plugin.service and plugin.service.id
      conf.consumer_id = plugin.consumer and plugin.consumer.id
      configs[plugin.name] = configs[plugin.name] or {}
      table.insert(configs[plugin.name], conf)
    end
  end
  runner.configure_named(bringing, configs)
end


-- ---- serving --------------------------------------------------------------------------------

-- Runs a handler of an endpoint as handlers expect to be run.
local function run(endpoint, name, call)
  local handler = endpoint.methods[name]
  if type(handler) ~= "function" then
    return nil
  end
  if endpoint.has_args then
    call.args = arguments.load { schema = endpoint.schema }
    return handler(call, kong.db, api_helpers.handler_helpers)
  end
  return handler(call, {}, api_helpers.handler_helpers)
end


local function answer(endpoint, call)
  local method = call.req.method
  if method == "HEAD" and not endpoint.methods.HEAD then
    method = "GET"
  end
  run(endpoint, "before", call)
  return run(endpoint, method, call)
end


--- Has an endpoint answer the current request; `parameters` are those of the path, in order.
function _M.serve(kind, number, parameters)
  configure()
  local endpoint = served[kind][number]
  local call = calls.new(endpoint.path, parameters)
  local on_error = endpoint.methods.on_error
                   or (endpoint.has_args and api_helpers.on_store_error or api_helpers.on_error)
  local result = application.capture_errors(function()
    return answer(endpoint, call)
  end, on_error)(call)
  return calls.finish(result)
end


return _M
