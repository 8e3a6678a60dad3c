--- Writes: what is checked before a strategy is asked, and what is told afterwards.
--
-- `by` names the unique field by which an entity is addressed; without it the key is a primary key.

local check_options = require("kong.db.dao.options").check
local hook_points = require "kong.db.dao.hook_points"
local native = require "kong.native"
local table_tools = require "kong.tools.table"

local null = ngx.null
local next, pairs, setmetatable, tostring, type = next, pairs, setmetatable, tostring, type

local _M = {}


local function failed(err_t)
  return nil, tostring(err_t), err_t
end


-- ---- foreign keys that are given by name ------------------------------------------------------

-- Looks for the entity that a foreign key means by a unique field. Answers its primary key; or nil and what
-- was asked for in vain, by field; or nil, nil and the error of the store.
local function find_foreign(self, schema, value)
  local asked = {}
  for name, field in schema:each_field() do
    local unique = value[name]
    if (field.unique or field.endpoint_key) and unique and unique ~= null
       and schema:validate_field(field, unique) then
      local dao = self.db[schema.name]
      local found, _, err_t = dao["select_by_" .. name](dao, unique)
      if err_t then
        return nil, nil, err_t
      elseif found then
        return schema:extract_pk_values(found)
      end
      asked[name] = { name = name, value = unique, parent = schema.name }
    end
  end
  return nil, next(asked) and asked
end


local function resolve_foreign(self, entity)
  local errors = {}
  for name, field in self.schema:each_field() do
    local schema, value = field.schema, entity[name]
    if field.type == "foreign" and schema and type(value) == "table"
       and not schema:validate_primary_key(value, true) then
      local key, asked, err_t = find_foreign(self, schema, value)
      if err_t then
        return failed(err_t)
      end
      entity[name], errors[name] = key or value, asked or nil
    end
  end
  if next(errors) then
    return failed(self.errors:foreign_keys_unresolved(errors))
  end
  return true
end


-- ---- checks ---------------------------------------------------------------------------------

-- The entity as it is handed to the strategy: fields computed, with its cache key.
local function finish(self, checked, given, options, context)
  if not (options and options.transform == false) then
    local transformed, err = self.schema:transform(checked, given, context)
    if not transformed then
      return failed(self.errors:transformation_error(err))
    end
    checked = transformed
  end
  if self.schema.cache_key and #self.schema.cache_key > 1 then
    checked.cache_key = self:cache_key(checked)
  end
  return checked
end


-- Defaults, foreign keys and rules for an entity that stands alone.
local function check(self, entity, options, context, validate, by, key)
  local ok, err, err_t = check_options(self, options)
  if not ok then
    return nil, err, err_t
  end
  local filled, errors = self.schema:process_auto_fields(entity, context)
  if not filled then
    return failed(self.errors:schema_violation(errors))
  end
  if by then
    filled[by] = key
  end
  ok, err, err_t = resolve_foreign(self, filled)
  if not ok then
    return nil, err, err_t
  end
  ok, errors = validate(self.schema, filled, entity)
  if not ok then
    return failed(self.errors:schema_violation(errors))
  end
  if by then
    filled[by] = nil
  end
  return finish(self, filled, entity, options, context)
end


-- The stored entity that is written to.
local function stored(self, key, options, by)
  local select = by and self["select_by_" .. by] or self.select
  return select(self, key, options)
end


-- An update laid over the stored entity; also that entity.
local function check_update(self, key, entity, options, by)
  options = options or {}
  local ok, err, err_t = check_options(self, options)
  if not ok then
    return nil, err, err_t
  end
  local schema = self.schema
  local filled, errors, has_immutable = schema:process_auto_fields(entity, "update")
  if not filled then
    return failed(self.errors:schema_violation(errors))
  end
  local known
  known, err, err_t = stored(self, key, setmetatable({ hide_shorthands = true }, { __index = options }), by)
  if err then
    return nil, err, err_t
  elseif not known then
    return failed(by and self.errors:not_found_by_field({ [by] = key }) or self.errors:not_found(key))
  end
  if has_immutable then
    ok, errors = schema:validate_immutable_fields(filled, known)
    if not ok then
      return failed(self.errors:schema_violation(errors))
    end
  end
  local merged = schema:merge_values(filled, known)
  ok, err, err_t = resolve_foreign(self, merged)
  if not ok then
    return nil, err, err_t
  end
  ok, errors = schema:validate_update(merged, entity, known)
  if not ok then
    return failed(self.errors:schema_violation(errors))
  end
  local finished
  finished, err, err_t = finish(self, merged, entity, options, "update")
  return finished, err, err_t, known
end


-- ---- events ---------------------------------------------------------------------------------

local function without_nulls(entity)
  for name, value in pairs(entity) do
    if value == null then
      entity[name] = nil
    elseif type(value) == "table" then
      without_nulls(value)
    end
  end
  return entity
end


local function copy(entity)
  return entity and without_nulls(table_tools.cycle_aware_deep_copy(entity, true))
end


--- Tells this worker that an entity was written.
function _M.post_crud_event(self, operation, entity, old_entity, options)
  -- A node tells all its workers what was written.
  if not self.events or native.store_tells() or options and options.no_broadcast_crud_event then
    return
  end
  local ok, err = self.events.post_local("dao:crud", operation, {
    operation = operation, schema = self.schema, entity = copy(entity), old_entity = copy(old_entity),
  })
  if not ok then
    ngx.log(ngx.ERR, "[db] failed to propagate CRUD operation: ", err)
  end
end


-- Has the strategy write between the functions that hang before and after it, and tells it as `operation`.
-- Answers the entity.
local function written(self, verb, by, key, checked, options, operation, known)
  local name, workspace = self.schema.name, hook_points.workspace_of(options)
  local row, entity
  local ok, err, err_t = hook_points.before(verb, by, checked, name, options, workspace)
  if not ok then
    return nil, err, err_t
  elseif by then
    row, err_t = self.strategy[verb .. "_by_field"](self.strategy, by, key, checked, options)
  elseif key then
    row, err_t = self.strategy[verb](self.strategy, key, checked, options)
  else
    row, err_t = self.strategy:insert(checked, options)
  end
  if not row then
    hook_points.failed(verb, by, err_t, checked, name, options)
    return failed(err_t)
  end
  entity, err, err_t = self:row_to_entity(row, options)
  if not entity then
    return nil, err, err_t
  end
  local answered
  answered, err_t = hook_points.after(verb, by, entity, name, options, workspace, known)
  if not answered then
    return failed(err_t)
  end
  self:post_crud_event(operation, entity, known, options)
  return answered
end


-- ---- writes ---------------------------------------------------------------------------------

function _M.insert(self, entity, options)
  local checked, err, err_t = check(self, entity, options, "insert", self.schema.validate_insert)
  if not checked then
    return nil, err, err_t
  end
  return written(self, "insert", nil, nil, checked, options, "create")
end


function _M.update(self, key, entity, options, by)
  local checked, err, err_t, known = check_update(self, key, entity, options, by)
  if not checked then
    return nil, err, err_t
  end
  return written(self, "update", by, key, checked, options, "update", known)
end


function _M.upsert(self, key, entity, options, by)
  local known, err, err_t = stored(self, key, options, by)
  if err then
    return nil, err, err_t
  end
  local checked
  checked, err, err_t = check(self, entity, options, "upsert", self.schema.validate_upsert, by, key)
  if not checked then
    return nil, err, err_t
  end
  local operation = known and "update" or "create"
  return written(self, "upsert", by, key, checked, options, operation, known or nil)
end


-- The entities that are deleted with one, those below them included.
local function cascade(self, schema, entity, options, list)
  for _, constraint in ipairs(schema:get_constraints()) do
    if constraint.on_delete == "cascade" then
      local dao = self.db[constraint.schema.name]
      local each = dao["each_for_" .. constraint.field_name]
      for row, err in each(dao, schema:extract_pk_values(entity), nil, options) do
        if not row then
          ngx.log(ngx.ERR, "[db] failed to traverse entities for cascade-delete: ", err)
          break
        end
        list[#list + 1] = { dao = dao, entity = row }
        cascade(self, constraint.schema, row, options, list)
      end
    end
  end
  return list
end


function _M.delete(self, key, options, by)
  local with = { show_ws_id = true }
  for name, value in pairs(options or {}) do
    with[name] = value
  end
  local entity, err, err_t = stored(self, key, with, by)
  if err then
    return nil, err, err_t
  elseif not entity then
    return true
  end
  local below = cascade(self, self.schema, entity, { show_ws_id = true }, {})
  local name, workspace = self.schema.name, entity.ws_id
  local ok
  ok, err, err_t = hook_points.before("delete", by, entity, name, below, options, workspace)
  if not ok then
    return nil, err, err_t
  end
  if by then
    ok, err_t = self.strategy:delete_by_field(by, key, options)
  else
    ok, err_t = self.strategy:delete(key, options)
  end
  if err_t then
    hook_points.failed("delete", by, err_t, entity, name, options)
    return failed(err_t)
  end
  local answered
  answered, err_t = hook_points.after("delete", by, ok and entity or nil, name, options, workspace, below)
  if err_t then
    return failed(err_t)
  elseif not answered then
    return nil
  end
  self:post_crud_event("delete", entity, nil, options)
  for _, entry in ipairs(below) do
    entry.dao:post_crud_event("delete", entry.entity, nil, options)
  end
  return true
end


return _M
