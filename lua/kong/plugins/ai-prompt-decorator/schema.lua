local fields = require "kong.llm.plugin_fields"
local typedefs = require "kong.db.schema.typedefs"

local message = {
  type = "record",
  required = false,
  fields = {
    { role = { type = "string", required = true, default = "system",
        one_of = { "system", "assistant", "user" } } },
    { content = { type = "string", required = true, len_min = 1, len_max = 500 } },
  },
}

local function messages(description)
  return { type = "array", required = false, len_max = 15, elements = message, description = description }
end

local config = {
  type = "record",
  fields = {
    { prompts = { type = "record", required = false, fields = {
        { prepend = messages "Messages that go before those of a request, in order." },
        { append = messages "Messages that go behind those of a request, in order." },
    } } },
    fields.max_request_body_size(),
    fields.llm_format(),
  },
}

return {
  name = "ai-prompt-decorator",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = { { at_least_one_of = { "config.prompts.prepend", "config.prompts.append" } } },
}
