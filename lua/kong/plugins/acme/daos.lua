local typedefs = require "kong.db.schema.typedefs"

local acme_storage = {
  name = "acme_storage",
  primary_key = { "id" },
  cache_key = { "key" },
  ttl = true,
  fields = {
    { id = typedefs.uuid },
    { key = { type = "string", required = true, unique = true, auto = true } },
    { value = { type = "string", required = true, auto = true } },
    { created_at = typedefs.auto_timestamp_s },
  },
}

return { acme_storage }
