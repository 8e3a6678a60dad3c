local handler = require "kong.plugins.request-size-limiting.handler"
local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { allowed_payload_size = {
        description = "How large a body may be, in `size_unit`.", type = "integer", default = 128,
    } },
    { size_unit = {
        description = "What `allowed_payload_size` counts: 1, 1024 or 1048576 bytes.",
        type = "string", required = true, default = "megabytes", one_of = handler.size_units,
    } },
    { require_content_length = {
        description = "Whether requests that do not state the length of their body are refused.",
        type = "boolean", required = true, default = false,
    } },
  },
}

return {
  name = "request-size-limiting",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
