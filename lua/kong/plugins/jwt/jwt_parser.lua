--- JSON Web Tokens (RFC 7519): reading, signing, verifying.

local base64 = require "ngx.base64"
local json = require "cjson"
local mac = require "resty.openssl.mac"
local pkey = require "resty.openssl.pkey"

local assert, error, fmt, ipairs, pairs, pcall, setmetatable, tostring, type =
  assert, error, string.format, ipairs, pairs, pcall, setmetatable, tostring, type
local encode_base64url, decode_base64url = base64.encode_base64url, base64.decode_base64url

local PSS = pkey.PADDINGS.RSA_PKCS1_PSS_PADDING
local RAW = { ecdsa_use_raw = true }


-- ---- algorithms (RFC 7518, 3.1; RFC 8037) ------------------------------------------------------

-- By name: `digest`; for keys with two halves `padding`, `options` and the length that signatures must have.
local ALGORITHMS = { EdDSA = {} }
for _, bits in ipairs { 256, 384, 512 } do
  local digest = "sha" .. bits
  ALGORITHMS["HS" .. bits] = { digest = digest, shared = true }
  ALGORITHMS["RS" .. bits] = { digest = digest }
  local wrong = "Signature must be 256 bytes"
  ALGORITHMS["PS" .. bits] = { digest = digest, padding = PSS, length = 256, wrong = wrong }
end
for bits, length in pairs { [256] = 64, [384] = 96, [512] = 132 } do
  local wrong = fmt("Signature must be %d bytes.", length)
  ALGORITHMS["ES" .. bits] = { digest = "sha" .. bits, options = RAW, length = length, wrong = wrong }
end


local function sign(algorithm, text, key)
  if algorithm.shared then
    return mac.new(key, "HMAC", nil, algorithm.digest):final(text)
  end
  return assert(assert(pkey.new(key)):sign(text, algorithm.digest, algorithm.padding, algorithm.options))
end


local function verify(algorithm, text, signature, key)
  if algorithm.shared then
    return signature == sign(algorithm, text, key)
  end
  local public = assert((pkey.new(key)), "Consumer Public Key is Invalid")
  assert(not algorithm.length or #signature == algorithm.length, algorithm.wrong)
  return public:verify(signature, text, algorithm.digest, algorithm.padding, algorithm.options)
end


-- ---- tokens -----------------------------------------------------------------------------------

-- The parts of a token; nil and what is wrong with it.
local function decode(token)
  local header_64, claims_64, signature_64 = token:match("^([^.]*)%.([^.]*)%.(.*)$")
  local ok, header, claims, signature = pcall(function()
    return json.decode(decode_base64url(header_64)), json.decode(decode_base64url(claims_64)),
           decode_base64url(signature_64)
  end)
  if not ok then
    return nil, "invalid JSON"
  elseif type(header) ~= "table" or type(header.alg) ~= "string" or not ALGORITHMS[header.alg] then
    return nil, "invalid alg"
  elseif not claims then
    return nil, "invalid claims"
  elseif not signature then
    return nil, "invalid signature"
  end
  return {
    token = token, header_64 = header_64, claims_64 = claims_64, signature_64 = signature_64,
    header = header, claims = claims, signature = signature,
  }
end


local _M = {}
_M.__index = _M


--- Reads a token.
-- @return the token with `header`, `claims` and `signature`; or nil and what is wrong with it
function _M:new(token)
  if type(token) ~= "string" then
    error("Token must be a string, got " .. tostring(token), 2)
  end
  local parts, err = decode(token)
  if not parts then
    return nil, err
  end
  return setmetatable(parts, self)
end


--- Makes a signed token.
function _M.encode(claims, key, algorithm, header)
  if type(claims) ~= "table" then
    error("Argument #1 must be table", 2)
  elseif type(key) ~= "string" then
    error("Argument #2 must be string", 2)
  elseif header and type(header) ~= "table" then
    error("Argument #4 must be a table", 2)
  end
  algorithm = algorithm or "HS256"
  if not ALGORITHMS[algorithm] then
    error("Algorithm not supported", 2)
  end
  header = header or { typ = "JWT", alg = algorithm }
  local text = encode_base64url(json.encode(header)) .. "." .. encode_base64url(json.encode(claims))
  return text .. "." .. encode_base64url(sign(ALGORITHMS[algorithm], text, key))
end


--- Whether the token was signed with a key.
function _M:verify_signature(key)
  return verify(ALGORITHMS[self.header.alg], self.header_64 .. "." .. self.claims_64, self.signature, key)
end


function _M.base64_decode(_, input)
  return decode_base64url(input)
end


-- What is wrong with a claim at this time (RFC 7519, 4.1), for those that are numbers of seconds.
local WRONG = {
  nbf = function(value)
    return value > ngx.time() and "token not valid yet"
  end,
  exp = function(value)
    return value <= ngx.time() and "token expired"
  end,
}


--- Checks claims by name.
-- @return whether all hold, and what is wrong with those that do not
function _M:verify_registered_claims(names)
  local errors
  for _, name in pairs(names or {}) do
    local value = self.claims[name]
    local wrong = type(value) ~= "number" and "must be a number" or WRONG[name](value)
    if wrong then
      errors = errors or {}
      errors[name] = wrong
    end
  end
  return errors == nil, errors
end


--- Checks that the token does not live longer than so many seconds from now; 0 for ever.
function _M:check_maximum_expiration(seconds)
  local expiry = self.claims.exp
  if seconds > 0 and (expiry == nil or expiry - ngx.time() > seconds) then
    return false, { exp = "exceeds maximum allowed expiration" }
  end
  return true
end


return _M
