-- Service accounts of Google Cloud: tokens for a key (RFC 7523), or of the machine's own account.

local cjson = require "cjson.safe"
local http = require "resty.http"
local pkey = require "resty.openssl.pkey"

local ngx = ngx
local concat, gsub, setmetatable, type = table.concat, string.gsub, setmetatable, type
local encode_args, encode_base64 = ngx.encode_args, ngx.encode_base64

local TOKEN_URI = "https://oauth2.googleapis.com/token"
local METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
local SCOPE = "https://www.googleapis.com/auth/cloud-platform"
local GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
-- Seconds that a token is asked for, and before its end that a new one is; milliseconds to get one.
local LIFE, EARLY, TIMEOUT = 3600, 60, 5000

local ERR_FAILED = "cloud-authentication with GCP failed"

local Account = {}
Account.__index = Account

-- By the account's JSON; the machine's own is under the empty string.
local known = {}


local function base64url(text)
  return (gsub(encode_base64(text, true), "[+/]", { ["+"] = "-", ["/"] = "_" }))
end


local function assertion(account)
  local now = ngx.time()
  local key, err = pkey.new(account.private_key)
  if not key then
    return nil, err
  end
  local signed = base64url(cjson.encode { alg = "RS256", typ = "JWT", kid = account.private_key_id }) .. "."
    .. base64url(cjson.encode {
      iss = account.client_email, sub = account.client_email, scope = SCOPE, iat = now, exp = now + LIFE,
      aud = account.token_uri or TOKEN_URI,
    })
  local signature
  signature, err = key:sign(signed, "sha256")
  return signature and concat({ signed, base64url(signature) }, "."), err
end


local function ask(account)
  local client = http.new()
  client:set_timeout(TIMEOUT)
  if not account then
    return client:request_uri(METADATA, { headers = { ["Metadata-Flavor"] = "Google" } })
  end
  local token, err = assertion(account)
  if not token then
    return nil, err
  end
  return client:request_uri(account.token_uri or TOKEN_URI, {
    method = "POST", ssl_verify = false,
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = encode_args { grant_type = GRANT, assertion = token },
  })
end


-- A token that is good for now; nil and an error.
function Account:token()
  if self.value and self.ends - EARLY > ngx.time() then
    return self.value
  end
  local response, err = ask(self.account)
  local body = response and response.status == 200 and cjson.decode(response.body)
  if not body or not body.access_token then
    return nil, ERR_FAILED .. ": " .. (err or "the answer was " .. response.status)
  end
  self.value, self.ends = body.access_token, ngx.time() + (body.expires_in or LIFE)
  return self.value
end


local _M = {}

-- The account that `json` is the key of, or the machine's own; nil and an error.
function _M.of(json)
  local found = known[json or ""]
  if not found then
    local account = json and cjson.decode(json)
    if json and (type(account) ~= "table" or not account.private_key or not account.client_email) then
      return nil, ERR_FAILED
    end
    found = setmetatable({ account = account }, Account)
    known[json or ""] = found
  end
  return found
end


return _M
