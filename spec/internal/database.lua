-- What specs put into the database of a node before it starts.

local Rows = require "spec.internal.rows"
local blueprints = require "spec.fixtures.blueprints"
local commands = require "spec.internal.commands"
local constants = require "kong.constants"
local dc_blueprints = require "spec.fixtures.dc_blueprints"
local environment = require "spec.internal.environment"
local settings = require "spec.internal.settings"

local getenv = os.getenv
local assert, concat, error, ipairs, pairs, pcall, sort, tostring, type, unpack =
  assert, table.concat, error, ipairs, pairs, pcall, table.sort, tostring, type, unpack

local conf = settings.conf

local database = {}

-- The strategies that specs may run with: the one of `KONG_TEST_DATABASE`, else the one that there is.
local STRATEGIES = { getenv("KONG_DATABASE") or "off" }

-- Strategies whose rows are held in memory until the node starts.
local IN_MEMORY = { off = true }

-- Strategies whose rows are in a database that specs and nodes share.
local STORED = { sqlite = true, postgres = true, cassandra = true }


local function iterate(strategies)
  if not strategies then
    return ipairs(STRATEGIES)
  end
  local available = {}
  for _, strategy in ipairs(strategies) do
    if strategy == STRATEGIES[1] then
      available[#available + 1] = strategy
    end
  end
  return ipairs(available)
end

database.each_strategy, database.all_strategies = iterate, iterate


local function checked_list(list, place, what)
  if list ~= nil and type(list) ~= "table" then
    error("arg #" .. place .. " must be a list of " .. what, 3)
  end
  return list or {}
end


local plugins_list


local function list_plugins(rows)
  local list = {}
  for name in pairs(rows.loaded) do
    local found, handler = pcall(require, "kong.plugins." .. name .. ".handler")
    if found then
      list[#list + 1] = { name = name, version = handler.VERSION }
    end
  end
  sort(list, function(a, b) return a.name:lower() < b.name:lower() end)
  return list
end


-- Rows in memory, with what plugins add to the schemas.
local function rows_with(plugins)
  local rows = Rows.new(conf.loaded_plugins)
  for _, plugin in ipairs(plugins) do
    local ok, err = rows:load_plugin(plugin)
    if not ok then
      error("could not load plugin '" .. plugin .. "': " .. tostring(err), 3)
    end
  end
  return rows
end


-- A server's database is to be prepared before anybody opens it, with the tables of these plugins, too; the
-- embedded one prepares itself.
local function prepare(strategy, plugins, env)
  if strategy == "sqlite" then
    return true
  end
  env = env or {}
  env.database = strategy
  env.plugins = concat({ settings.plugins, unpack(plugins) }, ",")
  local ok, err = commands.kong_exec("migrations up --conf " .. settings.test_conf_path, env)
  return ok, err and "could not prepare the database: " .. tostring(err)
end


-- Opens the database of the nodes under test, with the kinds that the loaded plugins have.
local function open(strategy, rows, own_plugins)
  assert(prepare(strategy, own_plugins))
  if not getenv "KONG_SQLITE_PATH" then
    environment.setenv("KONG_SQLITE_PATH", settings.folder .. "/kong.db")
  end
  require("kong.database").open(settings.test_conf_path)
  local plugins = {}
  for name in pairs(rows.loaded) do
    plugins[#plugins + 1] = name
  end
  sort(plugins)
  kong.default_workspace = constants.DECLARATIVE_DEFAULT_WORKSPACE_ID
  return require("kong.db").new(conf, strategy, plugins)
end


-- Empties these tables of a database, or all of them.
local function empty(db, names)
  for _, name in ipairs(names and { "plugins", unpack(names) } or { false }) do
    assert(db:truncate(name or nil))
  end
  assert(db:truncate("workspaces"))
end


-- Empties the database and answers blueprints and DAOs for it. `plugins` are known beside those of the
-- settings.
function database.get_db_utils(strategy, names, plugins, vaults)
  strategy = strategy or conf.database
  checked_list(names, 2, "tables to truncate")
  checked_list(plugins, 3, "plugins to enable")
  checked_list(vaults, 4, "vaults to enable")
  local is_stored = STORED[strategy] and STRATEGIES[1] ~= "off"
  if not (is_stored or IN_MEMORY[strategy]) and STRATEGIES[1] ~= "off" then
    error("strategy '" .. strategy .. "' is not served by this test kit", 2)
  end
  conf.database = strategy
  ngx.ctx.workspace = nil
  plugins_list = nil

  local rows = rows_with(plugins or {})
  database.rows, database.stored, database.blueprints_in_use = rows, nil, nil
  if not is_stored then
    database.blueprints_in_use = dc_blueprints.new(rows)
    kong.db = rows
    return database.blueprints_in_use, rows
  end
  local db = open(strategy, rows, plugins or {})
  database.stored, kong.db = db, db
  empty(db, names)
  return blueprints.new(db), db
end


-- Makes the tables in the database that `db` leads to.
function database.bootstrap_database(db)
  local server = db.connector.config or {}
  assert(prepare(db.strategy, {}, { pg_database = server.database, pg_schema = server.schema }))
  return true
end


-- What was inserted since the last start, as a declarative configuration; nil where nothing can have been.
function database.take_configuration()
  return database.blueprints_in_use and database.blueprints_in_use.done()
end


-- The plugins that are known, with their versions.
function database.get_plugins_list()
  assert(database.rows, "plugin list has not been initialized yet, you must call get_db_utils first")
  plugins_list = plugins_list or list_plugins(database.rows)
  local list = {}
  for i, plugin in ipairs(plugins_list) do
    list[i] = { name = plugin.name, version = plugin.version }
  end
  return list
end


function database.truncate(names)
  local db = database.stored or database.rows
  for _, name in ipairs(db and names or {}) do
    db:truncate(name)
  end
end


-- Validates the configuration of a plugin by its schema. Answers the completed plugin, or nil and errors.
function database.validate_plugin_config_schema(config, definition, extra_fields)
  local plugins = require("kong.db.schema").named("plugins")
  assert(plugins:new_subschema(definition.name, definition))
  local entity = { id = require("kong.tools.uuid").uuid(), name = definition.name, config = config }
  for name, value in pairs(extra_fields or {}) do
    entity[name] = value
  end
  local completed, err = plugins:process_auto_fields(entity, "insert")
  if err then
    return nil, err
  end
  local ok
  ok, err = plugins:validate_insert(completed)
  if not ok then
    return nil, err
  end
  return completed
end


-- Runs a function in a workspace.
function database.with_current_ws(workspaces, act, db)
  local before = ngx.ctx.workspace
  ngx.ctx.workspace = nil
  local workspace = workspaces and workspaces[1] or not workspaces and db.workspaces:select_by_name("default")
  ngx.ctx.workspace = workspace and workspace.id
  local result = act()
  ngx.ctx.workspace = before
  return result
end


database.db = Rows.new(conf.loaded_plugins)
database.blueprints = dc_blueprints.new(database.db)
kong.db = database.db


return database
