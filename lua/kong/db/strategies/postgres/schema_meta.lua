--- The table that says which migrations were run, and that of locks, as code reads and makes them that
-- looks after a database itself.

local topological_sort = require "kong.db.schema.topological_sort"

local error, ipairs, pairs = error, ipairs, pairs
local null = ngx.null

local _M = {}

local LOCKS = [[
  CREATE TABLE IF NOT EXISTS locks (key TEXT PRIMARY KEY, owner TEXT, ttl TIMESTAMP WITH TIME ZONE);
  CREATE INDEX IF NOT EXISTS locks_ttl_idx ON locks (ttl);
]]


--- Makes the table of locks if it is not there.
function _M:setup_locks()
  local ok, err = self:query(LOCKS)
  return ok and true, err
end


--- The names of tables whose rows end by themselves, those that others refer to first.
-- @param strategies the strategies of all kinds, by name
function _M.names_of_tables_with_ttl(strategies)
  local schemas, names = {}, {}
  for _, strategy in pairs(strategies) do
    schemas[#schemas + 1] = strategy.schema.ttl and strategy.schema or nil
  end
  for _, schema in ipairs(topological_sort(schemas)) do
    names[#names + 1] = schema.table_name or schema.name
  end
  names[#names + 1] = "cluster_events"
  return names
end


--- What is recorded of each subsystem's migrations, on the stored connection.
-- @return rows with `subsystem`, `last_executed`, `executed` and `pending`; nil for a database without any;
-- nil and an error
function _M:schema_migrations()
  if not self:get_stored_connection() then
    error("no connection")
  end
  local found, err = self:query("SELECT TO_REGCLASS('schema_meta') IS NOT NULL AS is_there")
  if not found then
    return nil, err
  elseif not found[1].is_there then
    return nil
  end
  local rows
  rows, err = self:query("SELECT * FROM schema_meta WHERE key = 'schema_meta'")
  for _, row in ipairs(rows or {}) do
    if row.pending == null then
      row.pending = nil
    end
  end
  return rows, err
end


return _M
