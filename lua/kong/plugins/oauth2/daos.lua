local secret = require "kong.plugins.oauth2.secret"
local typedefs = require "kong.db.schema.typedefs"

local null = ngx.null

-- RFC 6749, 3.1.2
local function check_redirect_uri(uri)
  local host = uri:match("^%a[%w+.-]*://([^/?#]+)")
  if not host then
    return nil, "cannot parse '" .. uri .. "'"
  elseif uri:find("#", 1, true) then
    return nil, "fragment not allowed in '" .. uri .. "'"
  end
  return true
end

local function hash_secret(is_wanted, client_secret)
  return is_wanted and { client_secret = assert(secret.hash(client_secret)) } or {}
end

local function text(attributes)
  attributes = attributes or {}
  attributes.type = "string"
  return attributes
end

local function belongs_to(kind, is_required)
  return { type = "foreign", reference = kind, on_delete = "cascade",
           required = is_required or nil, default = not is_required and null or nil }
end

local applications = {
  name = "oauth2_credentials",
  primary_key = { "id" },
  endpoint_key = "client_id",
  cache_key = { "client_id" },
  workspaceable = true,
  admin_api_name = "oauth2",
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { consumer = belongs_to("consumers", true) },
    { name = text { required = true } },
    { client_id = text { required = false, unique = true, auto = true } },
    { client_secret = text { required = false, auto = true, encrypted = true } },
    { hash_secret = { type = "boolean", required = true, default = false } },
    { redirect_uris = {
        type = "array", required = false, elements = text { custom_validator = check_redirect_uri },
    } },
    { tags = typedefs.tags },
    { client_type = text {
        required = true, default = "confidential", one_of = { "confidential", "public" },
    } },
  },
  transformations = {
    { input = { "hash_secret" }, needs = { "client_secret" }, on_write = hash_secret },
  },
}

local codes = {
  name = "oauth2_authorization_codes",
  primary_key = { "id" },
  ttl = true,
  workspaceable = true,
  db_export = false,
  generate_admin_api = false,
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { service = belongs_to "services" },
    { credential = belongs_to("oauth2_credentials", true) },
    { code = text { required = false, unique = true, auto = true } },
    { authenticated_userid = text { required = false } },
    { scope = text() },
    { challenge = text { required = false } },
    { challenge_method = text { required = false, one_of = { "S256" } } },
    { plugin = belongs_to "plugins" },
  },
}

local tokens = {
  name = "oauth2_tokens",
  dao = "kong.plugins.oauth2.daos.oauth2_tokens",
  primary_key = { "id" },
  endpoint_key = "access_token",
  cache_key = { "access_token" },
  ttl = true,
  workspaceable = true,
  fields = {
    { id = typedefs.uuid },
    { created_at = typedefs.auto_timestamp_s },
    { service = belongs_to "services" },
    { credential = belongs_to("oauth2_credentials", true) },
    { token_type = text { required = true, default = "bearer", one_of = { "bearer" } } },
    { expires_in = { type = "integer", required = true } },
    { access_token = text { required = false, unique = true, auto = true } },
    { refresh_token = text { required = false, unique = true } },
    { authenticated_userid = text { required = false } },
    { scope = text() },
  },
}

return { applications, codes, tokens }
