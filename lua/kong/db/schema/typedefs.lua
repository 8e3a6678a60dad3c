--- Fields that many schemas share, to use as they are or to call with attributes to add:
-- `typedefs.host`, `typedefs.host { required = true }`.
local Schema = require "kong.db.schema"
local native = require "kong.db.schema.native"


local typedefs = {}


for _, name in ipairs(native.typedef_names) do
  typedefs[name] = Schema.define(native.typedef(name))
end


-- only a VM can tell whether Lua code compiles
typedefs.lua_code.values.custom_validator = function(code)
  return require("kong.tools.sandbox").validate_safe(code)
end


return setmetatable(typedefs, {
  __index = function(_, name)
    error("schema typedef error: definition " .. name .. " does not exist", 2)
  end,
})
