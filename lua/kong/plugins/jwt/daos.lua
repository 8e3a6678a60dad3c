local pkey = require "resty.openssl.pkey"
local typedefs = require "kong.db.schema.typedefs"

local ALGORITHMS = {
  "HS256", "HS384", "HS512",
  "RS256", "RS384", "RS512",
  "ES256", "ES384", "ES512",
  "PS256", "PS384", "PS512",
  "EdDSA",
}

-- Those whose credentials must have a public key.
local patterns = {}
for _, name in ipairs(ALGORITHMS) do
  if not name:find("^[HE]S") then
    patterns[#patterns + 1] = "^" .. name .. "$"
  end
end

local function check_key(text)
  local _, err = pkey.new(text)
  if err then
    return nil, "invalid key"
  end
  return true
end

local secrets = {
  name = "jwt_secrets",
  primary_key = { "id" },
  endpoint_key = "key",
  cache_key = { "key" },
  workspaceable = true,
  admin_api_nested_name = "jwt", admin_api_name = "jwts",
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = { type = "foreign", required = true, reference = "consumers", on_delete = "cascade" } },
    { key = { type = "string", required = false, unique = true, auto = true } },
    { secret = { type = "string", auto = true } },
    { rsa_public_key = { type = "string" } },
    { algorithm = { type = "string", default = "HS256", one_of = ALGORITHMS } },
    { tags = typedefs.tags },
  },
  entity_checks = { { conditional = {
    if_field = "algorithm", if_match = { match_any = { patterns = patterns } },
    then_field = "rsa_public_key", then_match = { required = true, custom_validator = check_key },
  } } },
}

return { secrets }
