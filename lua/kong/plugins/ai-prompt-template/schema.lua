local fields = require "kong.llm.plugin_fields"
local typedefs = require "kong.db.schema.typedefs"

local template = {
  type = "record",
  required = true,
  fields = {
    { name = { type = "string", required = true,
        description = "What requests call it by: `{template://NAME}`." } },
    { template = { type = "string", required = true,
        description = "The request, with `{{placeholders}}`." } },
  },
}

local config = {
  type = "record",
  fields = {
    { templates = { type = "array", required = true, elements = template,
        description = "The templates that requests can call." } },
    { allow_untemplated_requests = { type = "boolean", required = true, default = true,
        description = "Whether requests that call no template pass." } },
    { log_original_request = { type = "boolean", required = true, default = false,
        description = "Whether logs get the request as it came." } },
    fields.max_request_body_size(),
  },
}

return {
  name = "ai-prompt-template",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
