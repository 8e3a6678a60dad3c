--- Data access: one object for each kind of entity, over the rows that a strategy keeps.
--
-- A strategy has `select`, `select_by_field`, `page`, `page_for_<field>`, `insert`, `update`, `upsert`,
-- `delete` and `<write>_by_field`; it answers rows, or nil and an error table. Methods here answer
-- entities, or nil, the error as text and as a table.

local cjson = require "cjson"
local connector = require "kong.db.strategies.connector"
local hook_points = require "kong.db.dao.hook_points"
local iteration = require "kong.db.iteration"
local cache_keys = require "kong.db.dao.cache_keys"
local module = require "kong.tools.module"
local options_of = require "kong.db.dao.options"
local writes = require "kong.db.dao.writes"

local null = ngx.null
local error, ipairs, pairs, require, setmetatable, tostring, type =
  error, ipairs, pairs, require, setmetatable, tostring, type
local check_options, expect, expect_options = options_of.check, options_of.expect, options_of.expect_options

local DAO = {}
DAO.__index = DAO


-- An error in the three values of a method.
local function failed(err_t)
  return nil, tostring(err_t), err_t
end


-- ---- rows and entities ----------------------------------------------------------------------

--- Makes an entity of a row: computed fields, references, sets.
function DAO:row_to_entity(row, options)
  expect_options(options)
  local ok, err, err_t = check_options(self, options)
  if not ok then
    return nil, err, err_t
  end
  local transformed = row
  if not (options and options.transform == false) and self.schema:has_transformations(row) then
    transformed, err = self.schema:transform(row, nil, "select")
    if not transformed then
      return failed(self.errors:transformation_error(err))
    end
  end
  local ws_id = row.ws_id
  local nulls = options and options.nulls
  local entity, errors = self.schema:process_auto_fields(transformed, "select", nulls, options)
  if not entity then
    return failed(self.errors:schema_violation(errors))
  end
  if options and options.show_ws_id and self.schema.workspaceable then
    entity.ws_id = (ws_id ~= nil and ws_id ~= null) and ws_id or kong.default_workspace
  end
  return entity
end


function DAO:rows_to_entities(rows, options)
  local entities = setmetatable({}, cjson.array_mt)
  for i, row in ipairs(rows) do
    local entity, err, err_t = self:row_to_entity(row, options)
    if not entity then
      return nil, err, err_t
    end
    entities[i] = entity
  end
  return entities
end


-- What a strategy's look-up found, as an entity.
local function found(self, row, err_t, options)
  if err_t then
    return failed(err_t)
  elseif not row then
    return nil
  end
  return self:row_to_entity(row, options)
end


-- Has the strategy look for a row between the functions that hang before and after `operation`.
local function looked_up(self, operation, by, key, options)
  local name = self.schema.name
  local ok, err, err_t = hook_points.before(operation, by, key, name, options)
  if not ok then
    return nil, err, err_t
  end
  local row
  if by then
    row, err_t = self.strategy:select_by_field(by, key, options)
  else
    row, err_t = self.strategy:select(key, options)
  end
  local entity
  entity, err, err_t = found(self, row, err_t, options)
  if err then
    return nil, err, err_t
  end
  entity, err_t = hook_points.after(operation, by, entity, name, options)
  if err_t then
    return failed(err_t)
  end
  return entity
end


-- ---- reading --------------------------------------------------------------------------------

-- The primary key in an entity or key, checked.
local function primary_key_of(self, entity)
  local key = self.schema:extract_pk_values(entity)
  local ok, errors = self.schema:validate_primary_key(key)
  if not ok then
    return failed(self.errors:invalid_primary_key(errors))
  end
  return key
end


function DAO:select(primary_key, options)
  expect(primary_key, "table", "primary_key")
  expect_options(options)
  local key, err, err_t = primary_key_of(self, primary_key)
  if not key then
    return nil, err, err_t
  end
  local ok
  ok, err, err_t = check_options(self, options)
  if not ok then
    return nil, err, err_t
  end
  return looked_up(self, "select", nil, key, options)
end


function DAO:select_by_cache_key(cache_key, options)
  local names = self.schema.cache_key
  if not names then
    error("entity does not have a cache_key defined", 2)
  end
  if type(cache_key) ~= "string" then
    cache_key = self:cache_key(cache_key)
  end
  if #names == 1 then
    return self["select_by_" .. names[1]](self, cache_key, options)
  end
  local row, err_t = self.strategy:select_by_field("cache_key", cache_key, options)
  return found(self, row, err_t, options)
end


local function expect_page(size, offset)
  if size ~= nil and type(size) ~= "number" then
    error("size must be a number", 4)
  elseif offset ~= nil and type(offset) ~= "string" then
    error("offset must be a string", 4)
  end
end


-- The size of a page, checked with the other options; and these with the page sizes that hold.
local function check_page(self, size, offset, options)
  expect_page(size, offset)
  expect_options(options)
  options = options_of.with_pagination(self, options)
  local max = options.pagination.max_page_size
  if size ~= nil and not iteration.is_size(size, max) then
    return failed(self.errors:invalid_size("size must be an integer between 1 and " .. max))
  end
  local ok, err, err_t = check_options(self, options)
  if not ok then
    return nil, err, err_t
  end
  return size or options.pagination.page_size, options
end


local function page_of(self, operation, rows, err_t, offset, options)
  if not rows then
    return failed(err_t)
  end
  local entities, err
  entities, err, err_t = self:rows_to_entities(rows, options)
  if not entities then
    return nil, err, err_t
  end
  entities, err_t = hook_points.after(operation, nil, entities, self.schema.name, options)
  if not entities then
    return failed(err_t)
  end
  return entities, nil, nil, offset
end


function DAO:page(size, offset, options)
  local checked, with, err_t = check_page(self, size, offset, options)
  if not checked then
    return nil, with, err_t
  end
  local ok, err
  ok, err, err_t = hook_points.before("page", nil, checked, self.schema.name, with)
  if not ok then
    return nil, err, err_t
  end
  local rows, next_offset
  rows, err_t, next_offset = self.strategy:page(checked, offset, with)
  return page_of(self, "page", rows, err_t, next_offset, with)
end


function DAO:each(size, options)
  local checked, with, err_t = check_page(self, size, nil, options)
  if not checked then
    return nil, with, err_t
  end
  return iteration.by_row(self, function(...)
    return self.strategy:page(...)
  end, checked, with)
end


function DAO:each_for_export(size, options)
  if self.schema.ttl then
    options = options_of.with_pagination(self, options)
    options.export = true
  end
  return self:each(size, options)
end


-- ---- writing --------------------------------------------------------------------------------

function DAO:insert(entity, options)
  expect(entity, "table", "entity")
  expect_options(options)
  return writes.insert(self, entity, options)
end


for _, write in ipairs { "update", "upsert" } do
  DAO[write] = function(self, primary_key, entity, options)
    expect(primary_key, "table", "primary_key")
    expect(entity, "table", "entity")
    expect_options(options)
    local key, err, err_t = primary_key_of(self, primary_key)
    if not key then
      return nil, err, err_t
    end
    return writes[write](self, key, entity, options)
  end
end


function DAO:delete(primary_key, options)
  expect(primary_key, "table", "primary_key")
  expect_options(options)
  local key, err, err_t = primary_key_of(self, primary_key)
  if not key then
    return nil, err, err_t
  end
  return writes.delete(self, key, options)
end


function DAO:truncate()
  local ok, err_t = self.strategy:truncate()
  if err_t then
    return failed(err_t)
  end
  return ok
end


DAO.cache_key = cache_keys.cache_key
DAO.post_crud_event = writes.post_crud_event


-- ---- methods that are named after fields -----------------------------------------------------

local function add_pages(methods, name, field)
  local function check(self, foreign_key, size, offset, options)
    expect(foreign_key, "table", "foreign_key")
    expect_page(size, offset)
    local ok, errors = self.schema:validate_field(field, foreign_key)
    if not ok then
      return failed(self.errors:invalid_primary_key(errors))
    end
    return check_page(self, size, offset, options)
  end

  methods["page_for_" .. name] = function(self, foreign_key, size, offset, options)
    local checked, with, err_t = check(self, foreign_key, size, offset, options)
    if not checked then
      return nil, with, err_t
    end
    local ok, err
    ok, err, err_t = hook_points.before("page_for", nil, foreign_key, self.schema.name, with)
    if not ok then
      return nil, err, err_t
    end
    local rows, next_offset
    local pager = self.strategy["page_for_" .. name]
    rows, err_t, next_offset = pager(self.strategy, foreign_key, checked, offset, with)
    return page_of(self, "page_for", rows, err_t, next_offset, with)
  end

  methods["each_for_" .. name] = function(self, foreign_key, size, options)
    local checked, with, err_t = check(self, foreign_key, size, nil, options)
    if not checked then
      return iteration.failed(with, err_t)
    end
    return iteration.by_row(self, function(page_size, offset, page_options)
      return self.strategy["page_for_" .. name](self.strategy, foreign_key, page_size, offset, page_options)
    end, checked, with)
  end
end


local function check_unique(self, name, field, value, options)
  options_of.expect_unique(value, name, field)
  expect_options(options)
  if options and options.workspace == null and not field.unique_across_ws then
    return failed(self.errors:invalid_unique_global(name))
  end
  local ok, errors = self.schema:validate_field(field, value)
  if not ok and field.type == "foreign" then
    return failed(self.errors:invalid_foreign_key(errors))
  elseif not ok then
    return failed(self.errors:invalid_unique(name, errors))
  end
  return check_options(self, options)
end


local function add_unique(methods, name, field)
  methods["select_by_" .. name] = function(self, value, options)
    local ok, err, err_t = check_unique(self, name, field, value, options)
    if not ok then
      return nil, err, err_t
    end
    return looked_up(self, "select", name, value, options)
  end

  for _, write in ipairs { "update", "upsert" } do
    methods[write .. "_by_" .. name] = function(self, value, entity, options)
      local ok, err, err_t = check_unique(self, name, field, value, options)
      if not ok then
        return nil, err, err_t
      end
      expect(entity, "table", "entity")
      return writes[write](self, value, entity, options, name)
    end
  end

  methods["delete_by_" .. name] = function(self, value, options)
    local ok, err, err_t = check_unique(self, name, field, value, options)
    if not ok then
      return nil, err, err_t
    end
    return writes.delete(self, value, options, name)
  end
end


local function methods_of(schema)
  local methods = {}
  for name, field in schema:each_field() do
    if field.type == "foreign" then
      if field.schema and #field.schema.primary_key > 1 then
        error("primary keys containing composite foreign keys are currently not supported", 3)
      end
      add_pages(methods, name, field)
    end
    if field.unique or schema.endpoint_key == name then
      add_unique(methods, name, field)
    end
  end
  return methods
end


-- The methods that the author of an entity adds; of core entities those that are there.
local function own_methods(schema)
  if not schema.dao then
    return {}
  elseif schema.dao:find("^kong%.db%.dao%.") then
    local found, methods = module.load_module_if_exists(schema.dao)
    return found and methods or {}
  end
  return require(schema.dao)
end


local _M = {}

-- Where there is no database.
local OFF_MAX_PAGE_SIZE = 2048


--- Makes the access to one kind of entity.
-- @param db what `kong.db` is, for look-ups of other kinds
function _M.new(db, schema, strategy, errors)
  local super = setmetatable(methods_of(schema), DAO)
  local reached = type(strategy.connector) == "table" and strategy.connector or connector
  local defaults = (reached.defaults or connector.defaults).pagination
  local self = {
    db = db,
    schema = schema,
    strategy = strategy,
    errors = errors,
    pagination = {
      page_size = defaults.page_size,
      max_page_size = db.strategy == "off" and OFF_MAX_PAGE_SIZE or defaults.max_page_size,
    },
    super = super,
  }
  for name, method in pairs(own_methods(schema)) do
    self[name] = method
  end
  return setmetatable(self, { __index = super })
end


return _M
