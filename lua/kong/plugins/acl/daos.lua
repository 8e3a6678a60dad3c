local typedefs = require "kong.db.schema.typedefs"

local memberships = {
  name = "acls",
  dao = "kong.plugins.acl.acls",
  workspaceable = true,
  cache_key = { "consumer", "group" },
  primary_key = { "id" },
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = { type = "foreign", required = true, reference = "consumers", on_delete = "cascade" } },
    { group = { type = "string", required = true } },
    { tags = typedefs.tags },
  },
}

return { memberships }
