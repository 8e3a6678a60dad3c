local typedefs = require "kong.db.schema.typedefs"

local load = load

local PHASES = { "certificate", "rewrite", "access", "header_filter", "body_filter", "log" }

return function(plugin_name)
  local function check_code(code)
    -- Text only: bytecode is taken as it is, and what is wrong in it breaks the process.
    local _, err = load(code, code, "t")
    if err then
      return false, "error parsing " .. plugin_name .. ": " .. err
    end
    return true
  end

  local fields, paths = {}, {}
  for i, phase in ipairs(PHASES) do
    fields[i] = { [phase] = {
      description = "Lua code that runs in this phase, piece after piece.",
      type = "array", required = true, default = {},
      elements = { type = "string", required = false, custom_validator = check_code },
    } }
    paths[i] = "config." .. phase
  end

  return {
    name = plugin_name,
    fields = {
      { consumer = typedefs.no_consumer },
      { protocols = typedefs.protocols },
      { config = { type = "record", fields = fields } },
    },
    entity_checks = { { at_least_one_of = paths } },
  }
end
