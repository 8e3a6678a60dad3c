local typedefs = require "kong.db.schema.typedefs"

local credentials = {
  name = "keyauth_credentials",
  primary_key = { "id" },
  endpoint_key = "key",
  cache_key = { "key" },
  ttl = true,
  workspaceable = true,
  admin_api_nested_name = "key-auth", admin_api_name = "key-auths",
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = { type = "foreign", required = true, reference = "consumers", on_delete = "cascade" } },
    { key = { type = "string", required = false, unique = true, auto = true } },
    { tags = typedefs.tags },
  },
}

return { credentials }
