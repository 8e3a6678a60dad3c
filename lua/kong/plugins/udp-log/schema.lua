local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { host = typedefs.host { required = true } },
    { port = typedefs.port { required = true } },
    { timeout = { description = "Milliseconds to send.", type = "number", default = 10000 } },
    { custom_fields_by_lua = typedefs.lua_code },
  },
}

return {
  name = "udp-log",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
