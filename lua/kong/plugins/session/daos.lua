local typedefs = require "kong.db.schema.typedefs"

local sessions = {
  name = "sessions",
  endpoint_key = "session_id",
  primary_key = { "id" },
  cache_key = { "session_id" },
  ttl = true,
  db_export = false,
  fields = {
    { id = typedefs.uuid },
    { session_id = { type = "string", required = true, unique = true } },
    { expires = { type = "integer" } },
    { data = { type = "string" } },
    { created_at = typedefs.auto_timestamp_s },
  },
}

return { sessions }
