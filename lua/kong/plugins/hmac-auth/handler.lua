-- hmac-auth: a consumer is who signs its requests with the secret of a credential.

local authentication = require "kong.tools.authentication"
local kong_meta = require "kong.meta"
local sha256_base64 = require("kong.tools.sha256").sha256_base64
local signature = require "kong.plugins.hmac-auth.signature"
local table_contains = require("kong.tools.table").table_contains

local kong, ngx = kong, ngx
local abs, ipairs = math.abs, ipairs
local parse_http_time = ngx.parse_http_time

local ERR_NONE = "Unauthorized"
local ERR_DATE = "HMAC signature cannot be verified, "
                 .. "a valid date or x-date header is required for HMAC Authentication"
local ERR_UNVERIFIABLE = "HMAC signature cannot be verified"
local ERR_WRONG = "HMAC signature does not match"

local HmacAuth = {
  VERSION = kong_meta.version,
  PRIORITY = 1030,
}


local function is_timely(name, clock_skew)
  local date = kong.request.get_header(name)
  local time = date and parse_http_time(date)
  return time and abs(ngx.time() - time) <= clock_skew
end


-- The signature that one of two headers has; the header is removed if the configuration says so.
local function take_signature(conf)
  local name = "proxy-authorization"
  local value = kong.request.get_header(name)
  local claimed = value and signature.parse(value)
  if not claimed then
    name = "authorization"
    value = kong.request.get_header(name)
    claimed = value and signature.parse(value)
  end
  if conf.hide_credentials then
    kong.service.request.clear_header(name)
  end
  return claimed
end


-- Why a signature is not acceptable, whosoever it is.
local function objection(conf, claimed)
  if not claimed then
    return "username or signature missing"
  end
  for _, name in ipairs(conf.enforce_headers or {}) do
    if not table_contains(claimed.headers, name) then
      return "enforced header not used for signature creation"
    end
  end
  if not table_contains(conf.algorithms, claimed.algorithm) then
    return "algorithm " .. claimed.algorithm .. " not supported"
  end
end


local function select_credential(username)
  return kong.db.hmacauth_credentials:select_by_username(username)
end


-- Whether the body is the one that `Digest` tells; without a body there may be none.
local function is_body_intact()
  local body, err = kong.request.get_raw_body()
  if err then
    kong.log.debug(err)
    return false
  end
  local digest = kong.request.get_header("digest")
  if not digest then
    return body == ""
  end
  return digest == "SHA-256=" .. sha256_base64(body or "")
end


-- Whom the signature makes the request be from; nil, what to tell the client and the reason for the log.
local function check(conf)
  if not (kong.request.get_header("authorization") or kong.request.get_header("proxy-authorization")) then
    return nil, ERR_NONE
  elseif not (is_timely("x-date", conf.clock_skew) or is_timely("date", conf.clock_skew)) then
    return nil, ERR_DATE
  end

  local claimed = take_signature(conf)
  local reason = objection(conf, claimed)
  if reason then
    return nil, ERR_UNVERIFIABLE, reason
  end
  local credential = authentication.cached(kong.db.hmacauth_credentials, claimed.username, select_credential)
  if not credential then
    return nil, ERR_UNVERIFIABLE, "failed to retrieve credential for " .. claimed.username
  elseif not signature.verify(claimed, credential.secret) then
    return nil, ERR_WRONG
  elseif conf.validate_request_body and not is_body_intact() then
    return nil, ERR_WRONG, "digest validation failed"
  end
  return credential
end


local function authenticate(conf)
  local credential, message, reason = check(conf)
  if credential then
    return authentication.accept_owner(credential, credential.username)
  elseif reason then
    kong.log.debug(reason)
  end
  return authentication.refusal(message, conf.realm and 'hmac realm="' .. conf.realm .. '"' or "hmac")
end


function HmacAuth:access(conf)
  return authentication.run(conf, authenticate)
end


return HmacAuth
