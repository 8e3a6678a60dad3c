-- How plugins describe a Redis server.

local typedefs = require "kong.db.schema.typedefs"

local function optional_flag(description)
  return { description = description, type = "boolean", required = false, default = false }
end

return {
  config_schema = {
    type = "record",
    description = "The Redis server to use.",
    fields = {
      { host = typedefs.host },
      { port = typedefs.port { default = 6379 } },
      { timeout = typedefs.timeout { default = 2000 } },
      { username = {
          description = "User to authenticate as, for servers with access control lists (Redis 6 and later).",
          type = "string", referenceable = true,
      } },
      { password = {
          description = "Password to authenticate with. Without one, no AUTH command is sent.",
          type = "string", encrypted = true, referenceable = true, len_min = 0,
      } },
      { database = { description = "Number of the database to select.", type = "integer", default = 0 } },
      { ssl = optional_flag "Whether to connect over TLS." },
      { ssl_verify = optional_flag(
        "Whether the server's certificate must verify against `lua_ssl_trusted_certificate`.") },
      { server_name = typedefs.sni { required = false } },
    },
  },
}
