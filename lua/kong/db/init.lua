--- `kong.db`: the entities, one object for each kind.
--
-- Objects are made when a kind is first asked for: plugins name kinds of their own while they load, before
-- there is a configuration.

local DAO = require "kong.db.dao"
local Entity = require "kong.db.schema.entity"
local Errors = require "kong.db.errors"
local Schema = require "kong.db.schema"
local connector = require "kong.db.strategies.connector"
local encode = require("cjson").encode
local module = require "kong.tools.module"
local native = require "kong.native"

local ipairs, pairs, rawget, rawset, setmetatable, sort, type =
  ipairs, pairs, rawget, rawset, setmetatable, table.sort, type

-- The core kinds; those of plugins follow from their `daos.lua`.
local CORE = {
  "workspaces", "consumers", "certificates", "services", "routes", "snis", "upstreams", "targets", "plugins",
  "tags", "ca_certificates", "clustering_data_planes", "parameters", "vaults", "key_sets", "keys",
  "filter_chains",
}


-- ---- kinds that plugins bring -----------------------------------------------------------------

-- The definitions in the `daos.lua` of plugins, by name.
local function definitions_of_plugins(plugins)
  local definitions = {}
  for _, plugin in ipairs(plugins) do
    local found, list = module.load_module_if_exists("kong.plugins." .. plugin .. ".daos")
    for _, definition in pairs(found and type(list) == "table" and list or {}) do
      if type(definition) == "table" and definition.name then
        definitions[definition.name] = definition
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


local function make(self, name)
  local schema = type(name) == "string" and schema_of(name)
  if not schema then
    return nil
  end
  local rows = require("kong.db.strategies." .. self.strategy_module)
  local strategy = rows.new(self.connector, schema, self.errors)
  local dao = DAO.new(self, schema, strategy, self.errors)
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


-- What the database is, as far as it is known yet.
local function infos_of(strategy)
  local _, name, description, version = native.store_info()
  return {
    strategy = strategy, db_name = name or "", db_desc = description or "", db_ver = version or "unknown",
  }
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


-- What plugins take for the connection to a database: the host has it, and methods that would go around the
-- DAO say that they are not there.
local function connector_of(strategy)
  return setmetatable({
    strategy = strategy, database = strategy, defaults = connector.defaults,
    infos = function() return infos_of(strategy) end,
    connect = function() return true end,
    connect_migrations = function() return {} end,
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
    end
    return dao_named(self, name)
  end,
}


function DB.init_connector() return true end
function DB.connect() return true end
function DB.close() return true end
function DB.setkeepalive() return true end


--- Removes all entities of a kind, or of all kinds.
function DB:truncate(name)
  for _, kind in ipairs(name and { name } or names()) do
    local dao = dao_named(self, kind)
    if dao and dao.schema.name ~= "tags" then
      local ok, err = dao:truncate()
      if not ok then
        return nil, err
      end
    end
  end
  return true
end


--- Makes `kong.db`.
-- @param configuration the properties of kong.conf
-- @param strategy another store than the configured one
-- @param plugins the plugins whose kinds there are, if not the enabled ones
function DB.new(configuration, strategy, plugins)
  own_definitions = plugins and definitions_of_plugins(plugins) or own_definitions
  strategy = strategy or configuration.database
  return setmetatable({
    strategy = strategy,
    strategy_module = strategy == "off" and "off" or "store",
    infos = infos_of(strategy),
    errors = Errors.new(strategy ~= "off" and strategy or nil),
    connector = connector_of(strategy),
    known = {},
  }, mt)
end


return DB
