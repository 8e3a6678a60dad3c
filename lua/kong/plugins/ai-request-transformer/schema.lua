local fields = require "kong.llm.plugin_fields"
local typedefs = require "kong.db.schema.typedefs"

return {
  name = "ai-request-transformer",
  fields = {
    { protocols = typedefs.protocols_http },
    { consumer = typedefs.no_consumer },
    { config = fields.transformer "What the model is told to make of the body of a request." },
  },
  entity_checks = fields.transformer_checks(),
}
