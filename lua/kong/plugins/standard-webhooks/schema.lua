local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { secret_v1 = {
        description = "What webhooks are signed with.",
        type = "string", required = true, referenceable = true, encrypted = true,
    } },
    { tolerance_second = {
        description = "How many seconds old a webhook may be; older ones get a 400.",
        type = "integer", required = true, gt = -1, default = 300,
    } },
  },
}

return {
  name = "standard-webhooks",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
