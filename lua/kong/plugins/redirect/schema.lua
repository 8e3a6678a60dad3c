local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { status_code = {
        description = "The status to answer with.",
        type = "integer", required = true, default = 301, between = { 100, 599 },
    } },
    { location = typedefs.url { description = "Where clients are sent.", required = true } },
    { keep_incoming_path = {
        description = "Whether path and query of the request take the place of those in `location`.",
        type = "boolean", default = false,
    } },
  },
}

return {
  name = "redirect",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
