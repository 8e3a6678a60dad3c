local typedefs = require "kong.db.schema.typedefs"

local YEAR = 31536000

local function names(default, description)
  return { description = description, type = "set", elements = { type = "string" }, default = default }
end

local function flag(default, description)
  return { description = description, type = "boolean", required = true, default = default }
end

local config = {
  type = "record",
  fields = {
    { uri_param_names = names({ "jwt" }, "Query arguments that tokens are looked for in.") },
    { cookie_names = names({}, "Cookies that tokens are looked for in.") },
    { key_claim_name = {
        description = "The claim, or the field of the token's header, that has the credential's key.",
        type = "string", default = "iss",
    } },
    { secret_is_base64 = flag(false, "Whether the secrets of credentials are Base64 of the real ones.") },
    { claims_to_verify = {
        description = "Claims to check: when the token ends (`exp`), and when it begins (`nbf`).",
        type = "set", elements = { type = "string", one_of = { "exp", "nbf" } },
    } },
    { anonymous = {
        description = "Id or username of the consumer that requests without a good token act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { run_on_preflight = flag(true, "Whether `OPTIONS` requests need a token, too.") },
    { maximum_expiration = {
        description = "How many seconds from now a token may end, at most; 0 for any number.",
        type = "number", default = 0, between = { 0, YEAR },
    } },
    { header_names = names({ "authorization" }, "Headers that tokens are looked for in.") },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = false,
    } },
  },
}

return {
  name = "jwt",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
  entity_checks = { { conditional = {
    if_field = "config.maximum_expiration", if_match = { gt = 0 },
    then_field = "config.claims_to_verify", then_match = { contains = "exp" },
  } } },
}
