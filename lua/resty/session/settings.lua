-- resty.session.settings: what a session is configured by: its own configuration, then that of `init`,
-- then defaults.
local envelope = require "resty.session.envelope"
local native = require "resty.openssl.native"
local random_bytes = require("resty.random").bytes

local error, insert, ipairs = error, table.insert, ipairs

local DEFAULTS = {
  cookie_name = "session", cookie_path = "/", cookie_http_only = true, cookie_same_site = "Lax",
  remember = false, remember_safety = "Medium", remember_cookie_name = "remember", audience = "default",
  stale_ttl = 10, idling_timeout = 900, rolling_timeout = 3600, absolute_timeout = 86400,
  remember_rolling_timeout = 604800, remember_absolute_timeout = 2592000, touch_threshold = 60,
  hash_storage_key = false, store_metadata = false,
}

local _M = {}

-- Settings of `init`, and a key for those who give neither a secret nor key material.
local initial = {}
local own_ikm = random_bytes(32)


function _M.init(configuration)
  initial = configuration or {}
  if initial.ikm or initial.secret then
    return true
  end
  own_ikm = random_bytes(32)
  return true
end


-- A setting by its name; nil for one that has no default.
local function of(configuration, name)
  local value = configuration[name]
  if value == nil then
    value = initial[name]
  end
  if value == nil then
    value = DEFAULTS[name]
  end
  return value
end

local function ikm_of(secret, ikm, what)
  if ikm then
    if #ikm ~= 32 then
      error("invalid " .. what .. ": expected 32 bytes", 4)
    end
    return ikm
  end
  return secret and native.digest("sha256", secret)
end

-- The keys that sessions are sealed with: the first seals, all unseal.
function _M.keys(configuration)
  local secret, ikm = of(configuration, "secret"), of(configuration, "ikm")
  local keys = { envelope.extract(ikm_of(secret, ikm, "ikm") or own_ikm) }
  for _, fallback in ipairs(of(configuration, "secret_fallbacks") or {}) do
    insert(keys, envelope.extract(ikm_of(fallback)))
  end
  for _, fallback in ipairs(of(configuration, "ikm_fallbacks") or {}) do
    insert(keys, envelope.extract(ikm_of(nil, fallback, "ikm fallback")))
  end
  return keys
end


_M.of = of


return _M
