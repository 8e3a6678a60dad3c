local fields = require "kong.llm.plugin_fields"
local typedefs = require "kong.db.schema.typedefs"

local function patterns(description)
  return { type = "array", required = false, len_max = 10, description = description,
           elements = { type = "string", len_min = 1, len_max = 500 } }
end

local function flag(description)
  return { type = "boolean", required = true, default = false, description = description }
end

local config = {
  type = "record",
  fields = {
    { allow_patterns = patterns "Regular expressions of which one has to match." },
    { deny_patterns = patterns "Regular expressions of which none may match." },
    { allow_all_conversation_history = flag "Whether only the last prompt is looked at." },
    fields.max_request_body_size(),
    { match_all_roles = flag "Whether messages of all roles are looked at, not only the user's." },
    fields.llm_format(),
  },
}

return {
  name = "ai-prompt-guard",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = {
    { at_least_one_of = { "config.allow_patterns", "config.deny_patterns" } },
    { conditional = {
        if_field = "config.match_all_roles", if_match = { eq = true },
        then_field = "config.allow_all_conversation_history", then_match = { eq = false },
    } },
  },
}
