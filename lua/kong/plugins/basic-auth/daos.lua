local crypto = require "kong.plugins.basic-auth.crypto"
local typedefs = require "kong.db.schema.typedefs"

local credentials = {
  name = "basicauth_credentials",
  primary_key = { "id" },
  endpoint_key = "username",
  cache_key = { "username" },
  workspaceable = true,
  admin_api_nested_name = "basic-auth", admin_api_name = "basic-auths",
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = { type = "foreign", required = true, reference = "consumers", on_delete = "cascade" } },
    { username = { type = "string", required = true, unique = true } },
    { password = { type = "string", required = true, encrypted = true } },
    { tags = typedefs.tags },
  },
  transformations = { {
    input = { "password" }, needs = { "consumer.id" },
    on_write = function(password, owner)
      return { password = crypto.hash(owner, password) }
    end,
  } },
}

return { credentials }
