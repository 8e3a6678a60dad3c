--- A plugin must share a protocol with the route it is for, or with one of the routes of its service.

local module = require "kong.tools.module"
local registry = require "kong.runloop.registry"

local ipairs, pairs, sort, tostring, type = ipairs, pairs, table.sort, tostring, type

local _M = {}


local function share(plugin, route)
  for _, protocol in ipairs(plugin.protocols) do
    for _, other in ipairs(route.protocols) do
      if protocol == other then
        return true
      end
    end
  end
  return false
end


-- Whether any route of a service shares a protocol with a plugin; a service without routes does.
local function share_with_service(self, plugin)
  local has_routes = false
  for route, err, err_t in self.db.routes:each_for_service(plugin.service) do
    if not route then
      return nil, err, err_t
    elseif share(plugin, route) then
      return true
    end
    has_routes = true
  end
  return not has_routes
end


local function check_protocols(self, plugin)
  local wrong
  if type(plugin.protocols) ~= "table" then
    return true
  elseif type(plugin.route) == "table" then
    local route = self.db.routes:select(plugin.route)
    wrong = route and not share(plugin, route) and "must match the associated route's protocols"
  elseif type(plugin.service) == "table" then
    wrong = not share_with_service(self, plugin)
            and "must match the protocols of at least one route pointing to this Plugin's service"
  end
  if not wrong then
    return true
  end
  local err_t = self.errors:schema_violation { protocols = wrong }
  return nil, tostring(err_t), err_t
end


-- Adds the schemas of configurations. Answers what is wrong with one; nil for nothing.
local function add_schemas(schema, names)
  for _, name in ipairs(names) do
    local found, definition = module.load_module_if_exists("kong.plugins." .. name .. ".schema")
    if not found then
      return "on plugin '" .. name .. "': no configuration schema found for plugin: " .. name
    end
    local ok, err = schema:new_subschema(name, definition)
    if not ok then
      return "on plugin '" .. name .. "': error loading plugin schema: " .. tostring(err)
    end
  end
end


function _M:insert(plugin, options)
  local ok, err, err_t = check_protocols(self, plugin)
  if not ok then
    return nil, err, err_t
  end
  return self.super.insert(self, plugin, options)
end


function _M:update(primary_key, plugin, options)
  if plugin.protocols or plugin.service or plugin.route then
    local known = self.super.select(self, primary_key, options) or {}
    local whole = {}
    for _, name in pairs { "protocols", "service", "route" } do
      whole[name] = plugin[name] or known[name]
    end
    local ok, err, err_t = check_protocols(self, whole)
    if not ok then
      return nil, err, err_t
    end
  end
  return self.super.update(self, primary_key, plugin, options)
end


function _M:upsert(primary_key, plugin, options)
  local ok, err, err_t = check_protocols(self, plugin)
  if not ok then
    return nil, err, err_t
  end
  return self.super.upsert(self, primary_key, plugin, options)
end


--- Loads plugins: their handlers, the kinds of entities they have, the schemas of their configuration.
-- @param set the names as keys
-- @return true; nil and every problem
function _M:load_plugin_schemas(set)
  local names = {}
  for name in pairs(set) do
    names[#names + 1] = name
  end
  sort(names)
  self.handlers = nil
  local plugins, err = registry.sorted(names)
  if not plugins then
    return nil, err
  end
  local problem = self.db:add_plugins(names) or add_schemas(self.schema, names)
  if problem then
    return nil, "error loading plugin schemas: " .. problem
  end
  self.handlers = plugins
  return true
end


--- The plugins that were loaded, in the order in which they run.
-- @return a list of `name` and `handler`; nil and an error
function _M:get_handlers()
  if not self.handlers then
    return nil, "plugins are to be loaded by load_plugin_schemas() before they are asked for"
  end
  local list = {}
  for i, plugin in ipairs(self.handlers) do
    list[i] = { name = plugin.name, handler = plugin.handler }
  end
  return list
end


_M.select_by_ca_certificate = require "kong.db.dao.by_ca_certificate"


return _M
