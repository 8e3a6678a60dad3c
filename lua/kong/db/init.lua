--- `kong.db`: the entities, one object for each kind.
--
-- Objects are made when a kind is first asked for: plugins name kinds of their own while they load, before
-- there is a configuration.

local DAO = require "kong.db.dao"
local Entity = require "kong.db.schema.entity"
local Errors = require "kong.db.errors"
local Schema = require "kong.db.schema"
local cluster_mutex = require "kong.db.cluster_mutex"
local connector = require "kong.db.strategies.connector"
local constants = require "kong.constants"
local encode = require("cjson").encode
local module = require "kong.tools.module"
local native = require "kong.native"
local version = require "version"

local error, find, ipairs, pairs, rawget, rawset, setmetatable, sort, tostring, type, upper =
  error, string.find, ipairs, pairs, rawget, rawset, setmetatable, table.sort, tostring, type, string.upper

-- The core kinds; those of plugins follow from their `daos.lua`.
local CORE = {
  "workspaces", "consumers", "certificates", "services", "routes", "snis", "upstreams", "targets", "plugins",
  "tags", "ca_certificates", "clustering_data_planes", "parameters", "vaults", "key_sets", "keys",
  "filter_chains",
}


-- ---- kinds that plugins bring -----------------------------------------------------------------

-- The plugins that kinds come from, by the names of the kinds.
local plugin_of = {}


-- The definitions in the `daos.lua` of plugins, by name.
local function definitions_of_plugins(plugins)
  local definitions = {}
  for _, plugin in ipairs(plugins) do
    local found, list = module.load_module_if_exists("kong.plugins." .. plugin .. ".daos")
    for _, definition in pairs(found and type(list) == "table" and list or {}) do
      if type(definition) == "table" and definition.name then
        definitions[definition.name] = definition
        plugin_of[definition.name] = plugin
      end
    end
  end
  return definitions
end


local own_definitions


local function plugin_definitions()
  own_definitions = own_definitions or definitions_of_plugins(require("kong.runloop.registry").names)
  return own_definitions
end


-- The schema of a kind; nil for one that does not exist.
local function schema_of(name)
  local known = Schema.named(name)
  local definition = plugin_definitions()[name]
  if known then
    -- what is Lua's own business does not come back from the engine
    known.dao = definition and definition.dao or known.dao
    return known
  elseif not definition then
    return nil
  end
  -- the kinds it points to come first
  for _, field in ipairs(definition.fields or {}) do
    local _, attributes = next(field)
    if type(attributes) == "table" and attributes.type == "foreign" and attributes.reference ~= name then
      schema_of(attributes.reference)
    end
  end
  local schema, err = Entity.new(definition)
  if not schema then
    ngx.log(ngx.ERR, "schema of custom plugin entity '", name, "' is invalid: ", err)
  end
  return schema
end


-- ---- kong.db --------------------------------------------------------------------------------

local DB = {}


-- Every kind: core ones, then those of plugins by name.
local function names()
  local list, own = {}, {}
  for _, name in ipairs(CORE) do
    list[#list + 1] = name
  end
  for name in pairs(plugin_definitions()) do
    own[#own + 1] = name
  end
  sort(own)
  for _, name in ipairs(own) do
    list[#list + 1] = name
  end
  return list
end


-- The rows of a kind, with the methods that its plugin adds to them for this database.
local function strategy_of(self, name, schema)
  local rows = require("kong.db.strategies." .. self.strategy_module).new(self.connector, schema, self.errors)
  local namespace = plugin_of[name] and "kong.plugins." .. plugin_of[name] .. ".strategies."
  local found, own
  if namespace then
    found, own = module.load_module_if_exists(namespace .. self.strategy .. "." .. name)
  end
  if not found then
    return rows
  end
  local strategy = { super = rows }
  for method, func in pairs(own) do
    strategy[method] = func
  end
  return setmetatable(strategy, { __index = rows })
end


local function make(self, name)
  local schema = type(name) == "string" and schema_of(name)
  if not schema then
    return nil
  end
  local dao = DAO.new(self, schema, strategy_of(self, name, schema), self.errors)
  dao.events = kong.worker_events
  return dao
end


local function dao_named(self, name)
  local known = rawget(self, "known")
  if known[name] == nil then
    known[name] = make(self, name) or false
  end
  return known[name] or nil
end


-- An error of the host as a text.
local function text_of(err)
  return type(err) == "table" and (err.message or err.name) or err
end


-- Counters that the nodes of a database share; without one there are none.
local counters = {}

--- Adds up, in one go: rows as `ratelimiting_metrics` has them, with the seconds a new one is kept as `ttl`.
-- @return true; nil and an error
function counters:increment_counters(rows)
  local ok, err = native.store_count(encode(rows))
  return ok, text_of(err)
end


--- @return the value of a counter, 0 for one that is not there; nil and an error
function counters:read_counter(key)
  local value, err = native.store_counted(encode(key))
  return value, text_of(err)
end


-- What the host knows of the database it is connected to.
local function infos_of(strategy)
  if strategy == "off" then
    return { strategy = "off", db_name = "in memory", db_desc = "cache", db_ver = kong.version }
  end
  local _, name, description, version = native.store_info()
  return {
    strategy = strategy, db_name = name or "", db_desc = description or "", db_ver = version or "unknown",
  }
end


-- Of a strategy without statements of plugins' own: methods that would go around the DAO say that they are
-- not there.
local function bare_connector(strategy)
  return setmetatable({
    strategy = strategy, database = strategy, config = {}, defaults = connector.defaults,
    init = function() return true end,
    infos = function() return infos_of(strategy) end,
    connect = function() return true end,
    connect_migrations = function() return {} end,
    -- their table came with the others
    setup_locks = function() return true end,
    setkeepalive = function() return true end,
    close = function() return true end,
    get_page_size = connector.get_page_size,
  }, {
    __index = function(_, name)
      if counters[name] and strategy ~= "off" then
        return counters[name]
      end
      return function()
        return nil, name .. "() not implemented for '" .. strategy .. "' strategy"
      end
    end,
  })
end


-- What plugins take for the connection to a database.
local function connector_of(strategy, configuration)
  if strategy == "postgres" then
    return require("kong.db.strategies.postgres.connector").new(configuration, counters)
  end
  return bare_connector(strategy)
end


local mt = {
  __index = function(self, name)
    if DB[name] then
      return DB[name]
    elseif name == "daos" then
      local daos = {}
      for _, kind in ipairs(names()) do
        daos[kind] = dao_named(self, kind)
      end
      rawset(self, "daos", daos)
      return daos
    elseif name == "strategies" then
      local strategies = {}
      for kind, dao in pairs(self.daos) do
        strategies[kind] = dao.strategy
      end
      rawset(self, "strategies", strategies)
      return strategies
    end
    return dao_named(self, name)
  end,
}


DB.cluster_mutex = cluster_mutex


-- An error with the name of the database before it.
local function prefixed(self, err)
  return "[" .. self.infos.strategy .. " error] " .. tostring(err)
end


--- Learns which server it is. An old one is refused.
-- @return true; nil and an error
function DB:init_connector()
  local ok, err = self.connector:init()
  if not ok then
    return nil, prefixed(self, err)
  end
  self.infos = self.connector:infos()
  local versions = constants.DATABASE[upper(self.strategy)]
  if not versions then
    return true
  end
  ok, err = self:check_version_compat(versions.MIN, versions.DEPRECATED)
  return ok, err and prefixed(self, err)
end


--- Whether the server is not older than one of these versions.
-- @return true; nil and an error
function DB:check_version_compat(min, deprecated)
  local found = version(self.infos.db_ver)
  if not found then
    return nil, "the version of the database is not known"
  elseif min and found < version(min) then
    return nil, ("Kong requires %s %s or greater (currently using %s)"):format(self.infos.strategy, min,
                                                                              self.infos.db_ver)
  elseif deprecated and found < version(deprecated) then
    ngx.log(ngx.WARN, "support for ", self.infos.strategy, " ", self.infos.db_ver, " is deprecated")
  end
  return true
end


-- Methods that the connector has.
for name, of_connector in pairs { connect = "connect", setkeepalive = "setkeepalive", close = "close",
                                  reset = "reset", schema_reset = "schema_reset" } do
  DB[name] = function(self)
    local result, err = self.connector[of_connector](self.connector)
    if not result then
      return nil, prefixed(self, err)
    end
    return result
  end
end


--- Removes all entities of a kind, or of all kinds that have a table.
function DB:truncate(name)
  for _, kind in ipairs(name and { name } or names()) do
    local dao = dao_named(self, kind)
    if dao and dao.schema.name ~= "tags" then
      local ok, err = dao:truncate()
      local is_missing = not name and err and find(err, "does not exist", 1, true)
      if not ok and not is_missing then
        return nil, err
      end
    end
  end
  return true
end


--- Adds the kinds of plugins. Answers what is wrong with one; nil for nothing.
function DB:add_plugins(plugins)
  local known = plugin_definitions()
  for name, definition in pairs(definitions_of_plugins(plugins)) do
    known[name] = known[name] or definition
    if not schema_of(name) then
      return "the kind '" .. name .. "' cannot be used"
    end
    rawget(self, "known")[name] = nil
  end
end


--- Makes `kong.db`.
-- @param configuration the properties of kong.conf
-- @param strategy another store than the configured one
-- @param plugins the plugins whose kinds there are, if not the enabled ones
function DB.new(configuration, strategy, plugins)
  if not configuration then
    error("missing kong_config", 2)
  elseif strategy ~= nil and type(strategy) ~= "string" then
    error("strategy must be a string", 2)
  end
  own_definitions = plugins and definitions_of_plugins(plugins) or own_definitions
  strategy = strategy or configuration.database
  local own_connector = connector_of(strategy, configuration)
  return setmetatable({
    strategy = strategy,
    strategy_module = strategy == "off" and "off" or "store",
    infos = own_connector:infos(),
    errors = Errors.new(strategy),
    connector = own_connector,
    known = {},
  }, mt)
end


return DB
