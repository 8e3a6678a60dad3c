--- Schemas of entities: schemas whose values a store can keep.
local Schema = require "kong.db.schema"
local cycle_aware_deep_copy = require("kong.tools.table").cycle_aware_deep_copy


local NO_NILABLE = "%s: Entities cannot have nilable types."
local NO_FUNCTIONS = "%s: Entities cannot have function types."
local TEXT_KEYS_ONLY = "%s: Entities map keys must be strings."


local Entity = {}


-- Nested records are shown in full: they are required unless they say otherwise.
local function require_records(record)
  for _, field in Schema.each_field(record) do
    if field.type == "record" and field.fields and not field.abstract then
      if field.required == nil then
        field.required = true
      end
      require_records(field)
    end
  end
end


local function fault_of(name, field)
  if field.nilable then
    return NO_NILABLE:format(name)
  end
  if field.abstract then
    return nil
  end
  if field.type == "function" then
    return NO_FUNCTIONS:format(name)
  end
  if field.type == "map" and field.keys.type ~= "string" then
    return TEXT_KEYS_ONLY:format(name)
  end
end


--- Adds the definition of a plugin's or vault's configuration.
function Entity.new_subschema(schema, key, definition)
  require_records(definition)
  return Schema.new_subschema(schema, key, definition)
end


--- Makes the schema of an entity.
-- @return the schema, or nil and a message
function Entity.new(definition)
  if type(definition) == "table" and type(definition.fields) == "table" then
    definition = cycle_aware_deep_copy(definition)
    require_records(definition)
  end

  local self, err = Schema.new(definition)
  if not self then
    return nil, err
  end

  for name, field in self:each_field() do
    local fault = fault_of(name, field)
    if fault then
      return nil, fault
    end
  end

  self.table_name = self.table_name or self.name
  self.new_subschema = Entity.new_subschema
  return self
end


return Entity
