local fields = require "kong.llm.plugin_fields"
local typedefs = require "kong.db.schema.typedefs"

local instructions = { parse_llm_response_json_instructions = {
  type = "boolean", required = true, default = false,
  description = "Whether the model's answer is JSON that tells status, headers and body.",
} }

return {
  name = "ai-response-transformer",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = fields.transformer("What the model is told to make of the body of a response.",
                                  instructions) },
  },
  entity_checks = fields.transformer_checks(),
}
