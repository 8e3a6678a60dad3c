local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { host = typedefs.host { required = true, description = "Name or address of the server." } },
    { port = typedefs.port { required = true, description = "The server's port." } },
    { timeout = {
        description = "Milliseconds to connect and to send, each.", type = "number", default = 10000,
    } },
    { keepalive = {
        description = "Milliseconds that an idle connection is kept.", type = "number", default = 60000,
    } },
    { tls = {
        description = "Whether the connection is encrypted.",
        type = "boolean", required = true, default = false,
    } },
    { tls_sni = { description = "The server name that the TLS handshake gives.", type = "string" } },
    { custom_fields_by_lua = typedefs.lua_code {
        description = "Fields to set in the entry, each with Lua code that returns its value.",
    } },
  },
}

return {
  name = "tcp-log",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
