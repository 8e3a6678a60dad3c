local typedefs = require "kong.db.schema.typedefs"

local FLOWS = { "enable_authorization_code", "enable_implicit_grant", "enable_client_credentials",
                "enable_password_grant" }

local function check_flows(config)
  for _, name in ipairs(FLOWS) do
    if config[name] then
      return true
    end
  end
  return nil, "at least one of these fields must be true: " .. table.concat(FLOWS, ", ")
end

local function flag(description)
  return { description = description, type = "boolean", required = true, default = false }
end

local config = {
  type = "record",
  custom_validator = check_flows,
  fields = {
    { scopes = {
        description = "The scopes that there are.", type = "array", elements = { type = "string" },
    } },
    { mandatory_scope = flag "Whether clients must ask for a scope." },
    { provision_key = {
        description = "What the application that asks users for leave proves itself with.",
        type = "string", unique = true, auto = true, required = true, encrypted = true,
    } },
    { token_expiration = {
        description = "Seconds that an access token is good for; 0 for ever.",
        type = "number", required = true, default = 7200,
    } },
    { enable_authorization_code = flag "Whether there are authorization codes (RFC 6749, 4.1)." },
    { enable_implicit_grant = flag "Whether there are implicit grants (RFC 6749, 4.2)." },
    { enable_client_credentials = flag "Whether clients get tokens of their own (RFC 6749, 4.4)." },
    { enable_password_grant = flag "Whether passwords are exchanged for tokens (RFC 6749, 4.3)." },
    { hide_credentials = flag "Whether the token is removed before the request goes on." },
    { accept_http_if_already_terminated = flag(
        "Whether requests count as encrypted that came so to a trusted proxy before this node.") },
    { anonymous = {
        description = "Id or username of the consumer that requests without a good token act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { global_credentials = flag "Whether tokens are good for all services with this set." },
    { auth_header_name = {
        description = "The header that tokens are looked for in.",
        type = "string", default = "authorization",
    } },
    { refresh_token_ttl = typedefs.ttl { default = 1209600, required = true } },
    { reuse_refresh_token = flag "Whether a refresh token stays good after its use." },
    { pkce = {
        description = "Which clients need a code challenge (RFC 7636): none, public ones, or all.",
        type = "string", required = false, default = "lax", one_of = { "none", "lax", "strict" },
    } },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = false,
    } },
  },
  entity_checks = { { conditional = {
    if_field = "mandatory_scope", if_match = { eq = true },
    then_field = "scopes", then_match = { required = true },
  } } },
}

return {
  name = "oauth2",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
