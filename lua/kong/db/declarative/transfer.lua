--- Entities into the database and out of it, as declarative configurations have them.

local topological_sort = require "kong.db.schema.topological_sort"

local ipairs, pairs, sort, tostring, type = ipairs, pairs, table.sort, tostring, type
local null = ngx.null

-- How many rows are read at once.
local PAGE = 1000

local _M = {}


-- The schemas of these kinds, those that others refer to first.
local function sorted_schemas(names)
  local schemas = {}
  for _, name in ipairs(names) do
    local dao = kong.db[name]
    if not dao then
      return nil, "unknown entity: " .. tostring(name)
    end
    schemas[#schemas + 1] = dao.schema
  end
  return topological_sort(schemas)
end


-- The entity as a DAO takes it: without what the declarative form adds.
local function own_fields(schema, entity)
  local fields = {}
  for name, value in pairs(entity) do
    if schema.fields[name] or name == "ws_id" then
      fields[name] = value
    end
  end
  return fields
end


--- Writes entities, by kind and primary key; those that are there already are replaced.
-- @param meta `_transform = false` where they are as they are stored
-- @return true; nil, an error, the same as a table
function _M.load_into_db(entities, meta)
  local names = {}
  for name in pairs(entities) do
    names[#names + 1] = name
  end
  sort(names)
  local schemas, err = sorted_schemas(names)
  if not schemas then
    return nil, err
  end
  local transform = not (meta and meta._transform == false)
  for _, schema in ipairs(schemas) do
    for _, entity in pairs(entities[schema.name]) do
      local options = { transform = transform, workspace = entity.ws_id }
      local key = schema:extract_pk_values(entity)
      local ok, err_t
      ok, err, err_t = kong.db[schema.name]:upsert(key, own_fields(schema, entity), options)
      if not ok then
        return nil, err, err_t
      end
    end
  end
  return true
end


-- ---- export ---------------------------------------------------------------------------------

-- The kinds that are written, parents first.
local function exported_schemas(skip_workspaces)
  local names = {}
  for name, dao in pairs(kong.db.daos) do
    local schema = dao.schema
    if schema.db_export ~= false and name ~= "tags" and not (skip_workspaces and name == "workspaces") then
      names[#names + 1] = name
    end
  end
  return sorted_schemas(names)
end


-- Kinds that can be switched off.
local SWITCHED = { services = true, plugins = true }


-- Whether a row is switched off, or belongs to one that is.
local function is_disabled(schema, row, gone)
  if SWITCHED[schema.name] and row.enabled == false then
    return true
  end
  for name, field in schema:each_field() do
    local target = field.type == "foreign" and row[name]
    local of_kind = target and target ~= null and gone[field.reference]
    if of_kind and of_kind[target.id] then
      return true
    end
  end
  return false
end


-- Has other entities named by their ids alone.
local function flatten(schema, row)
  for name, field in schema:each_field() do
    local target = field.type == "foreign" and row[name]
    if type(target) == "table" and target.id then
      row[name] = target.id
    end
  end
  return row
end


local function rows_of(schema, skip_ws, skip_disabled, expand, gone)
  local rows = {}
  local options = {
    nulls = true, workspace = null, show_ws_id = not skip_ws, transform = false, export = true,
  }
  for row, err in kong.db[schema.name]:each(PAGE, options) do
    if not row then
      return nil, err
    end
    if skip_disabled and is_disabled(schema, row, gone) then
      gone[schema.name] = gone[schema.name] or {}
      gone[schema.name][row.id] = true
    else
      rows[#rows + 1] = expand and row or flatten(schema, row)
    end
  end
  return rows
end


--- All entities of the database as a declarative configuration.
-- @param skip_ws leaves workspaces out
-- @param skip_disabled leaves services and plugins out that are switched off, and what belongs to them,
-- unless it is false
-- @param expand has other entities named as tables rather than by their ids
-- @return a table; nil and an error
function _M.export_config(skip_ws, skip_disabled, expand)
  skip_disabled = skip_disabled ~= false
  local document, gone = { _format_version = "3.0", _transform = false }, {}
  local schemas, err = exported_schemas(skip_ws)
  if not schemas then
    return nil, err
  end
  for _, schema in ipairs(schemas) do
    local rows
    rows, err = rows_of(schema, skip_ws, skip_disabled, expand, gone)
    if not rows then
      return nil, err
    end
    document[schema.name] = rows[1] and rows or nil
  end
  return document
end


return _M
