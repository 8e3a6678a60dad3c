local severity = require "kong.tools.severity"
local typedefs = require "kong.db.schema.typedefs"

local FACILITIES = { "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog",
                     "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
                     "local7" }

local level = { type = "string", default = "info", required = true, one_of = severity.NAMES }

local config = {
  type = "record",
  fields = {
    { log_level = level },
    { successful_severity = level },
    { client_errors_severity = level },
    { server_errors_severity = level },
    { custom_fields_by_lua = typedefs.lua_code },
    { facility = {
        description = "What kind of program the system takes the sender for.",
        type = "string", required = true, default = "user", one_of = FACILITIES,
    } },
  },
}

return {
  name = "syslog",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
