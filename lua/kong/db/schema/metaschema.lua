--- Finds out whether a definition has the form of a schema.
local native = require "kong.db.schema.native"
local Schema = require "kong.db.schema"


local MetaSchema = { valid_types = Schema.valid_types }


--- Validates the definition of an entity.
-- @return true, or nil and the errors
function MetaSchema:validate(definition)
  if not definition.table_name then
    definition.table_name = definition.name
  end
  return native.validate_definition(definition, false)
end


--- The validators that definitions may name.
function MetaSchema.get_supported_validator_set()
  local set = {}
  for _, name in ipairs(native.validator_names) do
    set[name] = true
  end
  return set
end


MetaSchema.MetaSubSchema = {}


--- Validates the definition of a configuration.
-- @return true, or nil and the errors
function MetaSchema.MetaSubSchema:validate(definition)
  return native.validate_definition(definition, true)
end


return MetaSchema
