--- `kong.db.connector` over PostgreSQL: statements of plugins' own, on connections of their own.
--
-- A connection that `connect()` opens is stored for the running request: its statements run on it until
-- `setkeepalive()` or `close()`. Without one each statement takes a connection of the worker's pool.

local Pool = require "kong.db.strategies.postgres.pool"
local base = require "kong.db.strategies.connector"
local schema_meta = require "kong.db.strategies.postgres.schema_meta"
local semaphore = require "ngx.semaphore"
local servers = require "kong.db.strategies.postgres.servers"

local concat, find, format, gsub, lower, match = table.concat, string.find, string.format, string.gsub,
  string.lower, string.match
local error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type =
  error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type
local null = ngx.null

local ERR_OPERATION = "operation must be 'read' or 'write', was: "
local ERR_SEMAPHORE = "error acquiring query semaphore: "

-- Tables that `truncate` leaves as they are.
local KEPT = { schema_meta = true }

-- Words after which a connection may be another than it was.
local LASTING = { "begin", "start", "set", "lock", "listen" }

local Connector = {
  strategy = "postgres", database = "postgres", defaults = base.defaults, get_page_size = base.get_page_size,
}


-- ---- texts ----------------------------------------------------------------------------------

--- A name as SQL has it.
function Connector:escape_identifier(name)
  return '"' .. gsub(tostring(name), '"', '""') .. '"'
end


--- A value as SQL has it.
function Connector:escape_literal(value)
  if value == nil or value == null then
    return "NULL"
  elseif type(value) == "number" then
    return tostring(value)
  elseif type(value) == "boolean" then
    return value and "TRUE" or "FALSE"
  end
  return "'" .. gsub(tostring(value), "'", "''") .. "'"
end


local function leaves_traces(sql)
  local words = " " .. gsub(lower(sql), "[^%w_]+", " ") .. " "
  for _, word in ipairs(LASTING) do
    if find(words, " " .. word .. " ", 1, true) then
      return true
    end
  end
  return false
end


-- ---- stored connections -----------------------------------------------------------------------

-- The connections of the running request by what they are for.
local function stored(self)
  local ctx = ngx.ctx
  local mine = ctx[self]
  if not mine then
    mine = {}
    ctx[self] = mine
  end
  return mine
end


-- What an operation is for: read only where there is a server for that.
local function operation_of(self, operation)
  if operation ~= nil and operation ~= "read" and operation ~= "write" then
    error(ERR_OPERATION .. tostring(operation), 3)
  end
  return operation == "read" and self.config_ro and "read" or "write"
end


local function server_of(self, operation)
  return operation == "read" and self.config_ro or self.config
end


--- The connection that was stored for an operation (`write` if none is named); nil for none.
function Connector:get_stored_connection(operation)
  local connection = stored(self)[operation or "write"]
  return connection and connection.sock and connection or nil
end


--- Stores a connection, or takes it away.
function Connector:store_connection(connection, operation)
  stored(self)[operation or "write"] = connection
end


--- Opens a connection, or gives the one that is stored.
-- @return the connection; nil and an error
function Connector:connect(operation)
  operation = operation_of(self, operation)
  local connection = self:get_stored_connection(operation)
  if connection then
    return connection
  end
  local server = server_of(self, operation)
  local err
  connection, err = Pool.of(server):take(server)
  if not connection then
    return nil, err
  end
  self:store_connection(connection, operation)
  return connection
end


function Connector:connect_migrations()
  return self:connect("write")
end


-- Ends the use of stored connections: by a method of their pools.
local function release(self, method)
  for operation, connection in pairs(stored(self)) do
    self:store_connection(nil, operation)
    if connection.sock then
      local pool = Pool.of(connection.config)
      pool[connection.leaves_traces and "drop" or method](pool, connection)
    end
  end
  return true
end


--- Gives stored connections back to the pool.
function Connector:setkeepalive()
  return release(self, "keep")
end


--- Closes stored connections.
function Connector:close()
  return release(self, "drop")
end


-- ---- statements -----------------------------------------------------------------------------

-- Waits until there are fewer queries at a time than allowed.
local function acquire(self, operation)
  local turns = self.turns[operation]
  if not turns then
    return true
  end
  local ok, err = turns:wait(server_of(self, operation).semaphore_timeout / 1000)
  return ok, err and ERR_SEMAPHORE .. err
end


local function run(self, sql, operation)
  local server = server_of(self, operation)
  local pool = Pool.of(server)
  local connection = self:get_stored_connection(operation)
  local is_stored = connection ~= nil
  local err
  if not connection then
    connection, err = pool:take(server)
    if not connection then
      return nil, err
    end
  end
  local result, count = connection:query(sql)
  if result == nil then
    -- what is left of a connection after an error is not known
    ngx.log(ngx.DEBUG, "a statement failed: ", count, ", its connection is closed")
    pool:drop(connection)
    if is_stored then
      self:store_connection(nil, operation)
    end
    return nil, count
  end
  connection.leaves_traces = connection.leaves_traces or leaves_traces(sql)
  if not is_stored then
    pool[connection.leaves_traces and "drop" or "keep"](pool, connection)
  end
  return result, nil, nil, count
end


--- Runs statements.
-- @param operation `read` where a replica's answer will do
-- @return a list of rows; a table with `affected_rows`; true; of several statements a list of these. Then
-- nil, nil and how many statements there were. nil and an error
function Connector:query(sql, operation)
  operation = operation_of(self, operation)
  local ok, err = acquire(self, operation)
  if not ok then
    return nil, err
  end
  local result, failure, partial, count = run(self, sql, operation)
  if self.turns[operation] then
    self.turns[operation]:post(1)
  end
  return result, failure, partial, count
end


--- Iterates over the rows of a statement; a failure is `false` and an error.
function Connector:iterate(sql)
  local rows, err = self:query(sql, "read")
  if rows == true then
    rows = { true }
  end
  local at = 0
  return function()
    at = at + 1
    if rows then
      return rows[at]
    elseif at == 1 then
      return false, err
    end
  end
end


-- ---- the whole database -----------------------------------------------------------------------

local function version_of(text)
  local major, minor = match(text, "^(%d+)%.(%d+)")
  major, minor = tonumber(major), tonumber(minor)
  return major and major < 10 and major + minor / 10 or major
end


--- Connects once, to learn which server and schema it is.
function Connector:init()
  local kept = self:get_stored_connection()
  local connection, err = self:connect()
  if not connection then
    return nil, err
  end
  self.major_minor_version = connection.version
  self.major_version = version_of(connection.version)
  for _, server in pairs { self.config, self.config_ro } do
    server.schema = server.schema ~= "" and server.schema or connection.schema
  end
  return kept and true or self:setkeepalive()
end


--- What the database is.
function Connector:infos()
  return {
    strategy = "PostgreSQL", db_desc = "database", db_name = self.config.database,
    db_schema = self.config.schema, db_readonly = self.config_ro ~= nil,
    db_ver = self.major_minor_version and match(self.major_minor_version, "^%d+%.%d+") or "unknown",
  }
end


-- The names of tables in the schema.
local function tables(self)
  local rows, err = self:query("SELECT tablename AS name FROM pg_catalog.pg_tables "
      .. "WHERE schemaname = CURRENT_SCHEMA ORDER BY tablename", "read")
  if not rows then
    return nil, err
  end
  for at, row in ipairs(rows) do
    rows[at] = row.name
  end
  return rows
end


--- Empties all tables but those that say which migrations were run.
function Connector:truncate()
  local names, err = tables(self)
  if not names then
    return nil, err
  end
  local list = {}
  for _, name in ipairs(names) do
    if not KEPT[name] then
      list[#list + 1] = self:escape_identifier(name)
    end
  end
  if not list[1] then
    return true
  end
  local ok
  ok, err = self:query("TRUNCATE " .. concat(list, ", ") .. " RESTART IDENTITY CASCADE")
  return ok and true, err
end


--- Empties a table, and those that refer to it.
function Connector:truncate_table(name)
  local ok, err = self:query("TRUNCATE " .. self:escape_identifier(name) .. " RESTART IDENTITY CASCADE")
  return ok and true, err
end


--- Makes the schema anew: nothing is left in it.
function Connector:reset()
  local schema = self.config.schema
  if schema == "" then
    local rows, err = self:query("SELECT CURRENT_SCHEMA AS name")
    if not rows then
      return nil, err
    end
    schema = rows[1].name
  end
  local name, user = self:escape_identifier(schema), self:escape_identifier(self.config.user)
  local sql = format("BEGIN; DROP SCHEMA IF EXISTS %s CASCADE; CREATE SCHEMA %s AUTHORIZATION %s; "
      .. "GRANT ALL ON SCHEMA %s TO %s; SET SCHEMA %s; COMMIT",
      name, name, user, name, user, self:escape_literal(schema))
  local ok, err = self:query(sql)
  return ok and true, err
end


Connector.schema_reset = Connector.reset
Connector.setup_locks = schema_meta.setup_locks
Connector.schema_migrations = schema_meta.schema_migrations
Connector._get_topologically_sorted_table_names = schema_meta.names_of_tables_with_ttl


local function turns_for(server)
  local most = server and server.max_concurrent_queries or 0
  return most > 0 and semaphore.new(most) or nil
end


local _M = {}


--- A connector for the servers of kong.conf.
-- @param parts further methods
function _M.new(conf, parts)
  local config, config_ro = servers.of(conf)
  return setmetatable({
    config = config, config_ro = config_ro,
    turns = { write = turns_for(config), read = turns_for(config_ro) },
  }, {
    __index = function(_, name)
      return Connector[name] or rawget(parts, name)
    end,
  })
end


return _M
