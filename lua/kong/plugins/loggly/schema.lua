local severity = require "kong.tools.severity"
local typedefs = require "kong.db.schema.typedefs"

local level = { type = "string", default = "info", one_of = severity.NAMES }

local config = {
  type = "record",
  fields = {
    { host = typedefs.host { default = "logs-01.loggly.com" } },
    { port = typedefs.port { default = 514 } },
    { key = { type = "string", required = true, encrypted = true, referenceable = true } },
    { tags = { type = "set", default = { "kong" }, elements = { type = "string" } } },
    { log_level = level },
    { successful_severity = level },
    { client_errors_severity = level },
    { server_errors_severity = level },
    { timeout = { type = "number", default = 10000 } },
    { custom_fields_by_lua = typedefs.lua_code },
  },
}

return {
  name = "loggly",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
