-- Entities in memory: what specs insert before a node exists, with the methods of a DAO. A node of the
-- strategy `off` gets them as its declarative configuration.

local constants = require "kong.constants"
local Entity = require "kong.db.schema.entity"
local Schema = require "kong.db.schema"
local tables = require "kong.tools.table"

local null = ngx.null
local ipairs, next, pairs, pcall, rawget, setmetatable, sort, type =
  ipairs, next, pairs, pcall, rawget, setmetatable, table.sort, type
local concat, insert, match, remove, tostring =
  table.concat, table.insert, string.match, table.remove, tostring

local copy = tables.cycle_aware_deep_copy or tables.deep_copy
local PAGE_SIZE = 1000

local Dao = {}
local Rows = {}


local function without_nulls(value)
  for name, item in pairs(value) do
    if item == null then
      value[name] = nil
    elseif type(item) == "table" then
      without_nulls(item)
    end
  end
  return value
end


local function key_of(schema, entity)
  local parts = {}
  for i, name in ipairs(schema.primary_key) do
    local part = entity[name]
    parts[i] = tostring(type(part) == "table" and part.id or part)
  end
  return concat(parts, ":")
end


local function same(a, b)
  a, b = type(a) == "table" and a.id or a, type(b) == "table" and b.id or b
  return a ~= nil and a ~= null and a == b
end


local function refusal(schema, errors)
  local ok, db_errors = pcall(require, "kong.db.errors")
  if ok and db_errors.new then
    local err_t = db_errors.new("off"):schema_violation(errors)
    return nil, tostring(err_t), err_t
  end
  return nil, schema:errors_to_string(errors), errors
end


-- ---- one kind of entities -------------------------------------------------------------------

local function find(self, wanted)
  for place, row in ipairs(self.rows) do
    if row == wanted or key_of(self.schema, row) == wanted then
      return row, place
    end
  end
end


local function find_key(self, primary_key)
  if type(primary_key) ~= "table" then
    return find(self, primary_key)
  end
  return find(self, key_of(self.schema, primary_key))
end


local function conflict(self, entity, own_row)
  for name, field in self.schema:each_field() do
    if field.unique and entity[name] ~= nil and entity[name] ~= null then
      for _, row in ipairs(self.rows) do
        if row ~= own_row and same(row[name], entity[name]) then
          return "UNIQUE violation detected on '{" .. name .. '="' .. tostring(entity[name]) .. "\"}'"
        end
      end
    end
  end
end


local function completed(self, entity, context)
  return self.schema:process_auto_fields(copy(entity), context)
end


function Dao:insert(entity)
  local row, errors = completed(self, entity, "insert")
  if not row then
    return refusal(self.schema, errors)
  end
  local ok
  ok, errors = self.schema:validate_insert(row, entity)
  if not ok then
    return refusal(self.schema, errors)
  end
  local err = conflict(self, row)
  if err then
    return nil, err
  end
  insert(self.rows, without_nulls(row))
  return copy(row)
end


-- As a blueprint does it: completed, but left for the node to judge.
function Dao:put(entity)
  local row, errors = completed(self, entity, "insert")
  if not row then
    return refusal(self.schema, errors)
  end
  row = without_nulls(row)
  for name, field in self.schema:each_field() do
    if field.type == "foreign" then
      row[name] = type(row[name]) == "table" and row[name].id or nil
    end
  end
  insert(self.rows, row)
  return copy(row)
end


function Dao:select(primary_key)
  local row = find_key(self, primary_key)
  return row and copy(row) or nil
end


function Dao:update(primary_key, changes)
  local row = find_key(self, primary_key)
  if not row then
    return nil, "not found"
  end
  for name, value in pairs(copy(changes)) do
    if value == null then
      row[name] = nil
    else
      row[name] = value
    end
  end
  return copy(row)
end


function Dao:upsert(primary_key, entity)
  local row, place = find_key(self, primary_key)
  if row then
    remove(self.rows, place)
  end
  entity = copy(entity)
  for name, value in pairs(type(primary_key) == "table" and primary_key or { id = primary_key }) do
    entity[name] = value
  end
  return Dao.insert(self, entity)
end


function Dao:delete(primary_key)
  local row, place = find_key(self, primary_key)
  if row then
    remove(self.rows, place)
  end
  return true
end


-- As a blueprint does it: what is not there is an error.
function Dao:remove(primary_key)
  local row, place = find_key(self, primary_key)
  if not row then
    return nil, "not found"
  end
  return remove(self.rows, place)
end


function Dao:truncate()
  for i = #self.rows, 1, -1 do
    self.rows[i] = nil
  end
  return true
end


function Dao:page()
  return copy(self.rows), nil, nil, nil
end


function Dao:each()
  local rows, at = copy(self.rows), 0
  return function()
    at = at + 1
    return rows[at]
  end
end


function Dao:cache_key(key, ...)
  local parts, schema = {}, self.schema
  if type(key) == "table" then
    for i, name in ipairs(schema.cache_key or schema.primary_key) do
      parts[i] = key[name]
    end
  else
    parts = { key, ... }
  end
  local texts = { self.name }
  for i = 1, 5 do
    local part = parts[i]
    texts[i + 1] = part ~= nil and part ~= null and tostring(type(part) == "table" and part.id or part) or ""
  end
  texts[7] = schema.workspaceable and kong.default_workspace or ""
  return concat(texts, ":")
end


-- Methods that are named after fields.
local function method_of_field(self, name)
  local verb, field = match(name, "^(%a+)_by_([%w_]+)$")
  if verb then
    return function(_, value, ...)
      for _, row in ipairs(self.rows) do
        if same(row[field], value) then
          return Dao[verb](self, { id = row.id }, ...)
        end
      end
      if verb == "upsert" then
        local entity = copy((...))
        entity[field] = value
        return Dao.insert(self, entity)
      end
      return verb == "delete" or nil, verb == "update" and "not found" or nil
    end
  end
  verb, field = match(name, "^(%a+)_for_([%w_]+)$")
  if verb then
    return function(_, foreign)
      local rows = {}
      for _, row in ipairs(self.rows) do
        if same(row[field], foreign) then
          rows[#rows + 1] = copy(row)
        end
      end
      if verb == "page" then
        return rows
      end
      local at = 0
      return function()
        at = at + 1
        return rows[at]
      end
    end
  end
end


local dao_mt = {
  __index = function(self, name)
    return Dao[name] or type(name) == "string" and method_of_field(self, name) or nil
  end,
}


-- ---- all kinds ------------------------------------------------------------------------------

local function new_dao(schema)
  return setmetatable({ name = schema.name, schema = schema, rows = {},
                        pagination = { page_size = PAGE_SIZE, max_page_size = PAGE_SIZE } }, dao_mt)
end


-- Adds the entities of a plugin and the schema of its configuration.
function Rows:load_plugin(name)
  if self.loaded[name] then
    return true
  end
  local found, daos = pcall(require, "kong.plugins." .. name .. ".daos")
  for key, definition in pairs(found and type(daos) == "table" and daos or {}) do
    if type(definition) == "table" and definition.name and definition.fields then
      local schema = Schema.named(definition.name) or assert(Entity.new(definition))
      rawget(self, "daos")[schema.name] = new_dao(schema)
    elseif type(key) == "string" and definition.schema then
      local schema = Schema.named(key) or assert(Entity.new(definition.schema))
      rawget(self, "daos")[schema.name] = new_dao(schema)
    end
  end
  local definition
  found, definition = pcall(require, "kong.plugins." .. name .. ".schema")
  if not found then
    return nil, definition
  end
  local plugins = self.daos.plugins.schema
  local ok, err = plugins:new_subschema(name, definition)
  if not ok then
    return nil, err
  end
  self.loaded[name] = true
  return true
end


function Rows:truncate(name)
  if name then
    return self.daos[name] and self.daos[name]:truncate()
  end
  for _, dao in pairs(self.daos) do
    dao:truncate()
  end
  return true
end


-- All rows as a declarative configuration.
function Rows:export()
  local document = { _format_version = "3.0" }
  for name, dao in pairs(self.daos) do
    if next(dao.rows) and name ~= "tags" and name ~= "clustering_data_planes" then
      document[name] = copy(dao.rows)
      for _, row in ipairs(document[name]) do
        for field_name, field in dao.schema:each_field() do
          if field.type == "foreign" and type(row[field_name]) == "table" then
            row[field_name] = row[field_name].id
          end
        end
      end
    end
  end
  return document
end


-- Replaces all rows by those of a declarative configuration.
function Rows:import(document)
  self:truncate()
  for name, rows in pairs(document) do
    local dao = self.daos[name]
    if dao then
      for _, row in ipairs(rows) do
        insert(dao.rows, copy(row))
      end
    end
  end
end


local function nothing()
  return true
end


-- Makes an empty set of rows for the core entities and those of these plugins.
function Rows.new(plugins)
  local daos = {}
  for _, name in ipairs(constants.CORE_ENTITIES) do
    local schema = Schema.named(name)
    daos[name] = schema and new_dao(schema)
  end
  local self = setmetatable({
    daos = daos,
    loaded = {},
    strategy = "off",
    connector = setmetatable({ strategy = "off", database = "off" },
        { __index = function() return nothing end }),
  }, {
    __index = function(rows, name)
      return Rows[name] or rawget(rows, "daos")[name]
    end,
  })
  local names = {}
  for name, is_loaded in pairs(plugins) do
    names[#names + 1] = is_loaded and name or nil
  end
  sort(names)
  for _, name in ipairs(names) do
    self:load_plugin(name)
  end
  return self
end


return Rows
