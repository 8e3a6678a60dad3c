local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { anonymous = {
        description = "Id or username of the consumer that requests without a credential act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { hide_credentials = {
        description = "Whether the credential is removed before the request goes on.",
        type = "boolean", required = true, default = false,
    } },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = true, default = "service",
    } },
  },
}

return {
  name = "basic-auth",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
