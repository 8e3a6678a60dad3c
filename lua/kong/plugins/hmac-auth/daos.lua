local typedefs = require "kong.db.schema.typedefs"

local credentials = {
  name = "hmacauth_credentials",
  primary_key = { "id" },
  endpoint_key = "username",
  cache_key = { "username" },
  workspaceable = true,
  admin_api_nested_name = "hmac-auth", admin_api_name = "hmac-auths",
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = { type = "foreign", required = true, reference = "consumers", on_delete = "cascade" } },
    { username = { type = "string", required = true, unique = true } },
    { secret = { type = "string", auto = true } },
    { tags = typedefs.tags },
  },
}

return { credentials }
