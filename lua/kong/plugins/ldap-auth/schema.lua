local typedefs = require "kong.db.schema.typedefs"

local function flag(description)
  return { description = description, type = "boolean", required = true, default = false }
end

local config = {
  type = "record",
  fields = {
    { ldap_host = typedefs.host { required = true } },
    { ldap_port = typedefs.port { required = true, default = 389 } },
    { ldaps = flag "Whether the connection is encrypted from its beginning. Excludes `start_tls`." },
    { start_tls = flag "Whether the connection is encrypted by StartTLS. Excludes `ldaps`." },
    { verify_ldap_host = flag "Whether the server's certificate is verified." },
    { base_dn = {
        description = "What the names of all users end with, as `dc=example,dc=com`.",
        type = "string", required = true,
    } },
    { attribute = {
        description = "The attribute that the name of a user is, as `cn`.", type = "string", required = true,
    } },
    { cache_ttl = {
        description = "Seconds that the server's answer is kept.",
        type = "number", required = true, default = 60,
    } },
    { hide_credentials = flag "Whether the credential is removed before the request goes on." },
    { timeout = {
        description = "Milliseconds to connect, to send and to receive, each.",
        type = "number", default = 10000,
    } },
    { keepalive = {
        description = "Milliseconds that an idle connection is kept.", type = "number", default = 60000,
    } },
    { anonymous = {
        description = "Id or username of the consumer that requests without a credential act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { header_type = {
        description = "The scheme that the `Authorization` header begins with.",
        type = "string", default = "ldap",
    } },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = false,
    } },
  },
  entity_checks = { { conditional = {
    if_field = "ldaps", if_match = { eq = true },
    then_field = "start_tls", then_match = { eq = false },
    then_err = "'ldaps' and 'start_tls' cannot be enabled simultaneously",
  } } },
}

return {
  name = "ldap-auth",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
