local deep_copy = require("kong.tools.table").deep_copy
local fields = require "kong.llm.plugin_fields"
local llm = require "kong.llm"
local typedefs = require "kong.db.schema.typedefs"

local config = deep_copy(llm.config_schema)
for _, field in ipairs {
  { response_streaming = {
      type = "string", required = false, default = "allow", one_of = { "allow", "deny", "always" },
      description = "Whether answers may, may not or have to come in server-sent events.",
  } },
  fields.max_request_body_size(),
  { model_name_header = {
      type = "boolean", default = true,
      description = "Whether the response header X-Kong-LLM-Model tells the model.",
  } },
  fields.llm_format(),
} do
  config.fields[#config.fields + 1] = field
end

-- A check that a format of a provider's own is used with that provider.
local function only_with(format)
  return { conditional = {
    if_field = "config.llm_format", if_match = { eq = format },
    then_field = "config.model.provider", then_match = { eq = format },
    then_err = "native llm_format '" .. format .. "' can only be used with the '" .. format
               .. "' model.provider",
  } }
end

return {
  name = "ai-proxy",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = {
    { conditional = {
        if_field = "config.llm_format", if_match = { one_of = { "bedrock", "gemini" } },
        then_field = "config.route_type", then_match = { eq = "llm/v1/chat" },
        then_err = "native provider options in llm_format can only be used with the "
                   .. "'llm/v1/chat' route_type",
    } },
    only_with "bedrock",
    only_with "gemini",
  },
}
