local redis_fields = require("kong.tools.redis.schema").config_schema.fields
local reserved_words = require "kong.plugins.acme.reserved_words"
local typedefs = require "kong.db.schema.typedefs"

local LETS_ENCRYPT = {
  "https://acme-v02.api.letsencrypt.org",
  "https://acme-staging-v02.api.letsencrypt.org",
}

local function text(description, more)
  local field = { type = "string", description = description }
  for name, value in pairs(more or {}) do
    field[name] = value
  end
  return field
end

local function secret(description)
  return text(description, { encrypted = true, referenceable = true })
end

local function number(default, description, one_of)
  return { type = "number", default = default, one_of = one_of, description = description }
end

local function flag(default, description)
  return { type = "boolean", default = default, description = description }
end

local function record(fields, shorthand_fields)
  return { type = "record", fields = fields, shorthand_fields = shorthand_fields }
end


-- ---- storages -------------------------------------------------------------------------------

local function check_namespace(namespace)
  for _, word in pairs(reserved_words) do
    if namespace ~= "" and namespace:sub(1, #word) == word then
      return nil, "namespace can't be prefixed with reserved word: " .. word
    end
  end
  return true
end

-- A field by its old name, and where its value belongs.
local function old(name, kind, path, len_min)
  local function place(value)
    local placed = value
    for i = #path, 1, -1 do
      placed = { [path[i]] = placed }
    end
    return placed
  end
  return { [name] = {
    type = kind,
    len_min = len_min,
    deprecation = {
      message = ("acme: config.storage_config.redis.%s is deprecated, "
                 .. "please use config.storage_config.redis.%s instead")
                :format(name, table.concat(path, ".")),
      removal_in_version = "4.0",
      replaced_with = { { path = path } },
    },
    func = place,
  } }
end

local redis = {}
for i, field in ipairs(redis_fields) do
  redis[i] = field
end
redis[#redis + 1] = { extra_options = {
  type = "record",
  description = "What only this plugin has for Redis.",
  fields = {
    { namespace = text("What all keys begin with.", {
        required = true, default = "", len_min = 0, custom_validator = check_namespace,
    }) },
    { scan_count = { type = "number", required = false, default = 10,
        description = "How many keys a SCAN command may look at." } },
  },
} }

local old_redis = {
  old("auth", "string", { "password" }, 0),
  old("ssl_server_name", "string", { "server_name" }),
  old("namespace", "string", { "extra_options", "namespace" }, 0),
  old("scan_count", "integer", { "extra_options", "scan_count" }),
}

local shm = {
  { shm_name = text("The shared dictionary.", {
      default = "kong", custom_validator = function(name)
        return ngx.shared[name]
      end,
  }) },
}

local function server(more)
  local fields = {
    { https = flag(false, "Whether it is reached over TLS.") },
    { host = typedefs.host },
    { port = typedefs.port },
    { kv_path = text "The path that keys are under." },
    { timeout = { type = "number", description = "Milliseconds to connect, to send and to receive, each." } },
    { token = text("The token that lets in.", { referenceable = true }) },
  }
  for _, field in ipairs(more or {}) do
    fields[#fields + 1] = field
  end
  return fields
end

local vault = server {
  { tls_verify = flag(true, "Whether its certificate is verified.") },
  { tls_server_name = text "The name that its certificate must be of, instead of its host." },
  { auth_method = text("How the plugin signs in.", {
      default = "token", one_of = { "token", "kubernetes" },
  }) },
  { auth_path = text "Where it signs in." },
  { auth_role = text "The role that it takes." },
  { jwt_path = text "The file with the token of the pod's service account." },
}


-- ---- the plugin -----------------------------------------------------------------------------

local config = record {
  { account_email = text("Whom the account is of.", {
      match = "%w*%p*@+%w*%.?%w*", required = true, encrypted = true, referenceable = true,
  }) },
  { account_key = {
      type = "record", required = false, description = "The account's private key, a key entity.",
      fields = {
        { key_id = text("The entity's `kid`.", { required = true }) },
        { key_set = text "The name of the key set that it is in." },
      },
  } },
  { api_uri = typedefs.url { default = LETS_ENCRYPT[1] .. "/directory" } },
  { tos_accepted = flag(false, "Whether Let's Encrypt's terms of service are accepted.") },
  { eab_kid = secret "The id of the key that binds the account to another one." },
  { eab_hmac_key = secret "That key, in base64 for URLs." },
  { cert_type = text("The kind of the certificates' keys.", { default = "rsa", one_of = { "rsa", "ecc" } }) },
  { rsa_key_size = number(4096, "How many bits keys of RSA have.", { 2048, 3072, 4096 }) },
  { renew_threshold_days = number(14, "How many days before its end a certificate is renewed.") },
  { domains = typedefs.hosts },
  { allow_any_domain = flag(false, "Whether all names get certificates, not only those of `domains`.") },
  { fail_backoff_minutes = number(5, "Minutes to wait for a name whose certificate could not be had.") },
  { storage = text("Where accounts, challenges and certificates are kept.", {
      default = "shm", one_of = { "kong", "shm", "redis", "consul", "vault" },
  }) },
  { storage_config = record {
      { shm = record(shm) },
      { kong = record {} },
      { redis = record(redis, old_redis) },
      { consul = record(server()) },
      { vault = record(vault) },
  } },
  { preferred_chain = text "The common name of the root that the certificates' chain should end in." },
  { enable_ipv4_common_name = flag(true, "Whether addresses of IPv4 get certificates.") },
}

-- Not every storage reaches the nodes that need it.
local function check_storage(entity)
  local storage = entity.config.storage
  local node = kong and kong.configuration
  if node and node.database == "off" and node.role ~= "data_plane" and storage == "kong" then
    return nil, "\"kong\" storage can't be used with dbless mode"
  elseif node and node.role == "control_plane" and storage == "shm" then
    return nil, "\"shm\" storage can't be used in Hybrid mode"
  end
  return true
end

local function needs_redis(name)
  return { conditional = {
    if_field = "config.storage", if_match = { eq = "redis" },
    then_field = "config.storage_config.redis." .. name, then_match = { required = true },
  } }
end

-- Certificates are for all: it is only global.
local fields = {
  { consumer = typedefs.no_consumer },
  { service = typedefs.no_service },
  { route = typedefs.no_route },
  { protocols = typedefs.protocols_http },
  { config = config },
}

return {
  name = "acme",
  fields = fields,
  entity_checks = {
    { conditional = {
        if_field = "config.api_uri", if_match = { one_of = LETS_ENCRYPT },
        then_field = "config.tos_accepted", then_match = { eq = true },
        then_err = "terms of service must be accepted, see https://letsencrypt.org/repository/",
    } },
    needs_redis "host",
    needs_redis "port",
    { custom_entity_check = { field_sources = { "config.storage" }, fn = check_storage } },
  },
}
