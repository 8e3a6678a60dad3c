--- Schemas, for Lua code: validates and fills in tables by a definition.
--
-- The work is done by the engine inside the gateway; this module gives it the methods that plugins and their
-- tests use. A schema is a copy of its definition, with fields also by name.
local native = require "kong.db.schema.native"


local setmetatable = setmetatable
local tostring = tostring
local concat = table.concat
local sub = string.sub
local rawget = rawget
local ipairs = ipairs
local pairs = pairs
local error = error
local type = type
local next = next


local Schema = {}
Schema.__index = Schema


local NO_OPTIONS = {}


-- what `field.schema` of foreign fields refers to, by entity name
local SCHEMAS = {}


Schema.valid_types = {
  array = true,
  boolean = true,
  foreign = true,
  ["function"] = true,
  integer = true,
  json = true,
  map = true,
  number = true,
  record = true,
  set = true,
  string = true,
}


-- the validators of single values, and the order in which they run
Schema.validators = {}
Schema.validators_order = native.validator_names
for _, name in ipairs(native.validator_names) do
  Schema.validators[name] = function(value, argument)
    if argument == nil then
      argument = true
    end
    return native.validate_field({ type = "any", [name] = argument }, value)
  end
end


local function copy_table(original, copies)
  if type(original) ~= "table" then
    return original
  end

  local copy = copies[original]
  if copy then
    return copy
  end

  copy = {}
  copies[original] = copy
  for key, value in pairs(original) do
    copy[key] = copy_table(value, copies)
  end
  return copy
end


-- A definition without what this module adds to it.
local function plain_definition(definition, seen)
  if type(definition) ~= "table" then
    return definition
  end

  local copy = {}
  for key, value in pairs(definition) do
    local is_field_by_name = seen == "fields" and type(key) == "string"
    local is_added = (key == "schema" and definition.type == "foreign")
                     or key == "subschemas" or key == "cache_key_set"
                     or type(key) == "string" and sub(key, 1, 2) == "__"
    if not is_field_by_name and not is_added then
      copy[key] = plain_definition(value, key)
    end
  end
  return copy
end


local function add_fields_by_name(record, seen)
  if seen[record] then
    return
  end
  seen[record] = true

  for name, field in Schema.each_field(record) do
    record.fields[name] = field
    if field.type == "record" and field.fields then
      add_fields_by_name(field, seen)
    end
    if field.type == "foreign" then
      field.schema = Schema.named(field.reference)
    end
  end
end


local function wrap(engine, definition)
  local self = setmetatable(definition, Schema)
  self.__engine = engine
  self.__check = rawget(self, "check")
  self.__primary_key = rawget(self, "primary_key")
  if self.cache_key then
    self.cache_key_set = {}
    for _, name in ipairs(self.cache_key) do
      self.cache_key_set[name] = true
    end
  end

  add_fields_by_name(self, {})
  return self
end


--- Makes a schema of a definition.
-- @param definition a table with `fields`, at least
-- @param is_subschema unused; which fields may refer to which entities does not depend on it
-- @return the schema, or nil and a message
function Schema.new(definition, is_subschema)
  if not definition then
    return nil, "expected a definition table"
  end

  local engine, err = native.new(plain_definition(definition), false)
  if not engine then
    return nil, err
  end

  local self = wrap(engine, copy_table(plain_definition(definition), {}))
  if self.name and not is_subschema then
    SCHEMAS[self.name] = self
  end
  return self
end


--- The schema of an entity by name.
-- @return the schema, or nil
function Schema.named(name)
  local known = SCHEMAS[name]
  if known then
    return known
  end

  local engine, definition = native.named(name)
  if engine then
    known = wrap(engine, definition)
    SCHEMAS[name] = known
    -- what refines an entity is shown in full as well
    known.new_subschema = require("kong.db.schema.entity").new_subschema
    return known
  end
end


--- Adds a definition that refines this one for a value of its `subschema_key`.
-- @return true, or nil and a message
function Schema:new_subschema(key, definition)
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  if type(definition) ~= "table" then
    error("definition must be a table", 2)
  end

  local ok, err = native.add_subschema(self.__engine, key, plain_definition(definition))
  if not ok then
    return nil, err
  end

  local subschema
  subschema, err = Schema.new(definition, true)
  if not subschema then
    return nil, err
  end

  self.subschemas = rawget(self, "subschemas") or {}
  self.subschemas[key] = subschema
  return true
end


--- Makes a definition that can be called with attributes to add.
function Schema.define(definition)
  return setmetatable(definition, {
    __call = function(base, attributes)
      attributes = attributes or {}
      for name, value in pairs(base) do
        if attributes[name] == nil then
          attributes[name] = value
        end
      end
      return attributes
    end,
  })
end


local function is_data_plane()
  local kong = rawget(_G, "kong")
  return kong and kong.configuration and kong.configuration.role == "data_plane" or false
end


-- takes over a `check` or `primary_key` that was set after the schema was made
local function engine_of(self)
  if rawget(self, "check") ~= self.__check or rawget(self, "primary_key") ~= self.__primary_key then
    self.__engine = assert(native.new(plain_definition(self), false))
    self.__check = rawget(self, "check")
    self.__primary_key = rawget(self, "primary_key")
  end
  return self.__engine
end


local function validate(self, input, options)
  options.data_plane = is_data_plane()
  return native.validate(engine_of(self), input, options)
end


--- Validates a table.
-- @param full_check whether required fields must be there; true unless said otherwise
-- @return true, or nil and the errors by field
function Schema:validate(input, full_check, original_input, rbw_entity)
  return validate(self, input, {
    partial = full_check == false,
    original = original_input,
    stored = rbw_entity,
  })
end


--- Validates a new entity.
function Schema:validate_insert(input, original_input)
  return validate(self, input, { original = original_input })
end


--- Validates an entity that may replace another.
function Schema:validate_upsert(input, original_input)
  return validate(self, input, { original = original_input })
end


--- Validates some fields of an entity.
function Schema:validate_update(input, original_input, rbw_entity)
  return validate(self, input, {
    updating = true,
    original = original_input,
    stored = rbw_entity,
  })
end


--- Validates a value by the definition of its field.
function Schema:validate_field(field, value)
  return native.validate_field(plain_definition(field), value)
end


--- Validates a primary key.
function Schema:validate_primary_key(pk, ignore_others)
  return native.validate_primary_key(engine_of(self), pk, ignore_others)
end


--- Compares immutable fields of an update with the stored entity.
function Schema:validate_immutable_fields(input, entity)
  local ok, errors = native.validate_immutable_fields(self.__engine, input, entity)
  if not ok then
    return nil, errors
  end
  return true, {}
end


-- What resolves vault references: only a node that uses its configuration does, and only when no nulls are
-- asked for.
local function resolver(context, nulls)
  local kong = rawget(_G, "kong")
  if context ~= "select" or nulls or not (kong and kong.vault and kong.vault.get) then
    return nil
  end
  if kong.configuration and kong.configuration.role == "control_plane" then
    return nil
  end

  return function(reference)
    local value, err = kong.vault.get(reference)
    if value then
      return value
    end
    if err then
      kong.log.warn("unable to resolve reference ", reference, " (", err, ")")
    else
      kong.log.notice("unable to resolve reference ", reference)
    end
  end
end


--- Supplies shorthands, automatic values and defaults.
-- With the context "select" the data itself changes, otherwise a new table is returned.
-- @return the data, nil and whether immutable fields must be compared; or nil and the errors
function Schema:process_auto_fields(data, context, nulls, opts)
  opts = opts or NO_OPTIONS
  local result, errors, check_immutable = native.process_auto_fields(self.__engine, data, context, {
    nulls = nulls and true or false,
    no_defaults = opts.no_defaults and true or false,
    hide_shorthands = opts.hide_shorthands and true or false,
    show_ws_id = opts.show_ws_id and true or false,
    resolve = resolver(context, nulls),
  })
  if not result then
    return nil, errors
  end
  if context ~= "select" then
    return result, nil, check_immutable
  end

  for key in pairs(data) do
    data[key] = nil
  end
  for key, value in pairs(result) do
    data[key] = value
  end
  return data
end


--- Lays the fields of one entity over those of another.
function Schema:merge_values(top, bottom)
  return native.merge_values(self.__engine, top, type(bottom) == "table" and bottom or nil)
end


--- Whether writing or reading such an entity computes fields.
function Schema:has_transformations(input)
  return native.has_transformations(self.__engine, input)
end


--- Computes fields of an entity.
function Schema:transform(input, original_input, context)
  return native.transform(self.__engine, input, original_input, context)
end


--- The primary key of an entity.
function Schema:extract_pk_values(entity)
  local values = {}
  for _, name in ipairs(self.primary_key) do
    values[name] = entity[name]
  end
  return values
end


--- The foreign fields of other entities that point to this one.
function Schema:get_constraints()
  local constraints = native.constraints(self.name)
  for _, constraint in ipairs(constraints) do
    constraint.schema = Schema.named(constraint.entity)
    if not constraint.field_name then
      constraints[constraint.entity] = true
    end
    constraint.entity = nil
  end
  return constraints
end


-- the subschema that the values choose
local function subschema_of(self, values)
  local subschemas = rawget(self, "subschemas")
  local chosen = values and subschemas and values[self.subschema_key]
  if type(chosen) == "string" then
    return subschemas[chosen]
  end
  if type(chosen) == "table" then
    for _, name in ipairs(chosen) do
      if subschemas[name] then
        return subschemas[name]
      end
    end
  end
end


--- Iterates over the fields, in order.
-- @param values an entity that chooses a subschema
function Schema:each_field(values)
  local subschema = subschema_of(self, values)
  local place = 0
  return function()
    place = place + 1
    local entry = self.fields[place]
    if entry then
      local name, field = next(entry)
      return name, subschema and subschema.fields[name] or field
    end
  end
end


--- All errors of a tree as one text.
-- @return the text, or nil when there are none
function Schema:errors_to_string(errors)
  if type(errors) ~= "table" or not next(errors) then
    return nil
  end

  local parts = {}
  for _, message in pairs(errors["@entity"] or NO_OPTIONS) do
    parts[#parts + 1] = message
  end
  for _, message in ipairs(errors) do
    parts[#parts + 1] = type(message) == "table" and self:errors_to_string(message) or message
  end
  for name, message in pairs(errors) do
    if name ~= "@entity" and type(name) == "string" then
      if type(message) == "table" then
        message = self:errors_to_string(message)
      end
      parts[#parts + 1] = name .. ": " .. tostring(message)
    end
  end
  return "Validation error: " .. concat(parts, "; ")
end


return Schema
