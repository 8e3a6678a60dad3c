local typedefs = require "kong.db.schema.typedefs"

local function ranges(description)
  return { description = description, type = "array", elements = typedefs.ip_or_cidr }
end

local config = {
  type = "record",
  fields = {
    { allow = ranges "Addresses and ranges (CIDR) that clients must be of." },
    { deny = ranges "Addresses and ranges (CIDR) that clients must not be of." },
    { status = { description = "Status of a refused request; 403 if not set.", type = "number" } },
    { message = { description = "Message of a refused request, instead of the default.", type = "string" } },
  },
}

return {
  name = "ip-restriction",
  fields = {
    { protocols = typedefs.protocols { default = { "http", "https", "tcp", "tls", "grpc", "grpcs" } } },
    { config = config },
  },
  entity_checks = { { at_least_one_of = { "config.allow", "config.deny" } } },
}
