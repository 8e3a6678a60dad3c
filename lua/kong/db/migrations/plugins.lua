-- Migrations that plugins bring along: finds them, and calls their functions with a connector.
local load_module_if_exists = require("kong.tools.module").load_module_if_exists

local concat, sort = table.concat, table.sort
local error, ipairs, pairs, tostring, type, xpcall = error, ipairs, pairs, tostring, type, xpcall
local gsub, match, traceback = string.gsub, string.match, debug.traceback

local _M = {}

local KINDS = { up = "string", up_f = "function", teardown = "function" }


-- What is wrong with the part of a migration that is for a strategy; nil for nothing.
local function defect(part)
  if type(part) ~= "table" then
    return "expected a table"
  end
  local wrong = {}
  for name, value in pairs(part) do
    if not KINDS[name] then
      wrong[#wrong + 1] = tostring(name) .. ": unknown field"
    elseif type(value) ~= KINDS[name] then
      wrong[#wrong + 1] = name .. ": expected a " .. KINDS[name]
    end
  end
  sort(wrong)
  return wrong[1] and concat(wrong, "; ")
end


local function index(namespace)
  local ok, names = load_module_if_exists(namespace)
  if not ok then
    ok, names = load_module_if_exists(namespace .. ".init")
  end
  return ok, names
end


-- What a migration does where none is needed: the embedded database lays tables out by their schemas.
local WITHOUT = { sqlite = {}, off = {} }


-- The migrations of a subsystem, a plugin or the core, for a strategy: a list of { name, up, has up_f,
-- has teardown }; nil for one without any.
function _M.find(subsystem, namespace, strategy)
  local ok, names = index(namespace)
  if not ok then
    return nil
  end
  if type(names) ~= "table" then
    error("migrations index from '" .. namespace .. "' must be a table", 0)
  end
  local found = {}
  for at, name in ipairs(names) do
    local module = namespace .. "." .. name
    local exists, migration = load_module_if_exists(module)
    if not exists then
      error("failed to load migration '" .. module .. "' of '" .. subsystem .. "' subsystem", 0)
    end
    local part = type(migration) == "table" and (migration[strategy] or WITHOUT[strategy])
    if not part then
      error("missing " .. strategy .. " strategy for migration '" .. name .. "'", 0)
    end
    local problem = defect(part)
    if problem then
      error("migration '" .. module .. "' of '" .. subsystem .. "' subsystem is invalid: " .. problem, 0)
    end
    found[at] = { name, part.up or "", part.up_f ~= nil, part.teardown ~= nil }
  end
  return found
end


local function escape_literal(_, value)
  if type(value) == "number" then
    return tostring(value)
  elseif type(value) == "boolean" then
    return value and "TRUE" or "FALSE"
  end
  return "'" .. gsub(tostring(value), "'", "''") .. "'"
end


-- What migrations on Cassandra use beside the connector: rows come in pages, of which there is one, and
-- values may stand for question marks.
local function coordinator(query)
  local self = {}

  function self:execute(cql, values)
    local at = 0
    return query((gsub(cql, "%?", values and function()
      at = at + 1
      local value = values[at]
      return value == nil and "NULL" or escape_literal(nil, value)
    end or "?")))
  end

  function self:iterate(cql, values)
    local is_over = false
    return function()
      if is_over then
        return nil
      end
      is_over = true
      local rows, err = self:execute(cql, values)
      if not rows then
        return false, err, 1
      end
      return rows, nil, 1
    end
  end

  return self
end


-- A connector as migrations use it. `query` answers rows, or nil and why not.
local function connector(query, strategy)
  local self = {}

  -- Rows; or how many were affected, as `affected_rows`, where a statement answers none.
  function self:query(sql)
    local rows, other = query(sql)
    if not rows then
      return nil, other
    end
    if rows[1] == nil and not match(sql, "^%s*[Ss][Ee][Ll][Ee][Cc][Tt]") then
      rows.affected_rows = other
    end
    return rows
  end

  function self:iterate(sql)
    local rows, err = query(sql)
    local at = 0
    return function()
      at = at + 1
      if rows then
        return rows[at]
      end
      if at == 1 then
        return false, err
      end
    end
  end

  function self:escape_identifier(name)
    return '"' .. gsub(tostring(name), '"', '""') .. '"'
  end

  self.escape_literal = escape_literal

  -- the connection is there as long as migrations run
  local function nothing()
    return true
  end
  self.connect, self.connect_migrations, self.close, self.setkeepalive = nothing, nothing, nothing, nothing
  if strategy == "cassandra" then
    local own = coordinator(query)
    local function connected()
      return own
    end
    self.connect, self.connect_migrations, self.get_stored_connection = connected, connected, connected
  end
  return self
end


-- Calls one function of a migration. Answers nil, or why it failed.
function _M.call(module, strategy, name, query)
  local ok, migration = load_module_if_exists(module)
  if not ok then
    return "failed to load migration '" .. module .. "'"
  end
  local done, result, err = xpcall(function()
    return migration[strategy][name](connector(query, strategy))
  end, traceback)
  if not done then
    return tostring(result)
  end
  return err and tostring(err) or nil
end


return _M
