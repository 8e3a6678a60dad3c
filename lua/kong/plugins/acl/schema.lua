local typedefs = require "kong.db.schema.typedefs"

local function groups(description)
  return { description = description, type = "array", elements = { type = "string" } }
end

local function flag(description)
  return { description = description, type = "boolean", required = true, default = false }
end

local config = {
  type = "record",
  fields = {
    { allow = groups "Groups whose members are let through; all others are not. Excludes `deny`." },
    { deny = groups "Groups whose members are not let through; all others are. Excludes `allow`." },
    { hide_groups_header = flag "Whether the upstream is not told the groups in `X-Consumer-Groups`." },
    { always_use_authenticated_groups = flag(
        "Whether groups that an authentication plugin found count also for a consumer with a credential. "
        .. "Otherwise they count without a consumer and for the anonymous one.") },
  },
}

return {
  name = "acl",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
  entity_checks = {
    { only_one_of = { "config.allow", "config.deny" } },
    { at_least_one_of = { "config.allow", "config.deny" } },
  },
}
