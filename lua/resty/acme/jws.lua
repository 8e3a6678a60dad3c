-- Requests to an ACME server: JSON, signed with the account's key (RFC 8555, 6).
local cjson = require "cjson.safe"
local http = require "resty.http"
local mac = require "resty.openssl.mac"
local util = require "resty.acme.util"

local decode_base64, encode_base64url = ngx.decode_base64, util.encode_base64url
local gsub, rep, setmetatable, tostring, type = string.gsub, string.rep, setmetatable, tostring, type

local CONTENT_TYPE = "application/jose+json"
local BAD_NONCE = "urn:ietf:params:acme:error:badNonce"
-- How often a request is sent again for a nonce that the server does not take; milliseconds to answer.
local ATTEMPTS, TIMEOUT = 12, 10000
local CURVES = { ["P-256"] = { "ES256", "sha256" }, ["P-384"] = { "ES384", "sha384" } }

local Signer = {}
Signer.__index = Signer


-- Signs for a key; `directory` is the server's.
function Signer.new(key, directory)
  local jwk, thumbprint = util.jwk(key)
  local curve = CURVES[jwk.crv] or {}
  return setmetatable({
    key = key, directory = directory, jwk = jwk, thumbprint = thumbprint,
    algorithm = curve[1] or "RS256", hash = curve[2] or "sha256",
  }, Signer)
end


function Signer.request(url, options)
  local client = http.new()
  client:set_timeout(TIMEOUT)
  return client:request_uri(url, options)
end


-- A nonce of the last answer, or a new one.
local function nonce(self)
  local kept = self.nonce
  self.nonce = nil
  if kept then
    return kept
  end
  local response, err = Signer.request(self.directory.newNonce, { method = "HEAD" })
  if not response then
    return nil, "no nonce: " .. err
  end
  return response.headers["Replay-Nonce"]
end


-- A payload with its signature; the account is known by its key until it has a URL.
local function envelope(self, url, payload)
  local fresh, err = nonce(self)
  if not fresh then
    return nil, err or "the server gave no nonce"
  end
  local protected = encode_base64url(cjson.encode {
    alg = self.algorithm, nonce = fresh, url = url,
    kid = self.kid, jwk = not self.kid and self.jwk or nil,
  })
  local body = payload == "" and "" or encode_base64url(type(payload) == "string" and payload
                                                        or cjson.encode(payload))
  local signature
  signature, err = self.key:sign(protected .. "." .. body, self.hash, nil, { ecdsa_use_raw = true })
  if not signature then
    return nil, err
  end
  return cjson.encode { protected = protected, payload = body, signature = encode_base64url(signature) }
end


local function problem_of(response)
  local told = cjson.decode(response.body)
  if type(told) ~= "table" then
    return nil, "status " .. response.status
  end
  return told.type, tostring(told.type) .. ": " .. tostring(told.detail)
end


-- Posts a payload, "" to read what is at a URL. Returns what the answer says, and the answer; nil and an
-- error.
function Signer:post(url, payload)
  local kind, err
  for _ = 1, ATTEMPTS do
    local body, response
    body, err = envelope(self, url, payload)
    if not body then
      return nil, err
    end
    response, err = Signer.request(url, {
      method = "POST", body = body, headers = { ["Content-Type"] = CONTENT_TYPE },
    })
    if not response then
      return nil, err
    end
    self.nonce = response.headers["Replay-Nonce"]
    if response.status < 400 then
      return cjson.decode(response.body) or response.body, response
    end
    kind, err = problem_of(response)
    if kind ~= BAD_NONCE then
      break
    end
  end
  return nil, err
end


-- What binds an account to one that the server knows already (RFC 8555, 7.3.4); nil and an error.
function Signer:external_account(url, kid, hmac_key)
  local padded = gsub(hmac_key, "[-_]", { ["-"] = "+", ["_"] = "/" })
  local key = decode_base64(padded .. rep("=", -#padded % 4))
  if not key then
    return nil, "eab_hmac_key is not base64"
  end
  local protected = encode_base64url(cjson.encode { alg = "HS256", kid = kid, url = url })
  local payload = encode_base64url(cjson.encode(self.jwk))
  local made, err = mac.new(key, "HMAC", nil, "sha256")
  local signature = made and made:final(protected .. "." .. payload)
  if not signature then
    return nil, err
  end
  return { protected = protected, payload = payload, signature = encode_base64url(signature) }
end


return Signer
