local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { header_name = {
        description = "The header that carries the identity.",
        type = "string", default = "Kong-Request-ID",
    } },
    { generator = {
        description = "How an identity is made: a UUID, the worker's UUID with a counter, "
          .. "or address, port, process, connection and time.",
        type = "string", required = true, default = "uuid#counter",
        one_of = { "uuid", "uuid#counter", "tracker" },
    } },
    { echo_downstream = {
        description = "Whether the client gets the header, too.",
        type = "boolean", required = true, default = false,
    } },
  },
}

return {
  name = "correlation-id",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
