-- resty.openssl.auxiliary.jwk: keys as JSON (RFC 7517, RFC 8037).
local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local native = require "resty.openssl.native"

local decode, encode = base64.decode_base64url, base64.encode_base64url
local ipairs, pairs, setmetatable, tostring, type = ipairs, pairs, setmetatable, tostring, type

local RSA = {
  { "n", "n" }, { "e", "e" }, { "d", "d" }, { "p", "p" }, { "q", "q" },
  { "dp", "dmp1" }, { "dq", "dmq1" }, { "qi", "iqmp" },
}
local CURVES = { [415] = "P-256", [715] = "P-384", [716] = "P-521" }

local _M = {}


local function load_rsa(jwk)
  if not jwk.n or not jwk.e then
    return nil, "at least \"n\" and \"e\" parameter is required"
  end
  local parts = {}
  for _, names in ipairs(RSA) do
    parts[names[2]] = jwk[names[1]] and decode(jwk[names[1]])
  end
  return native.key_of_parts("RSA", parts)
end

local function load_ec(jwk)
  if not jwk.x or not jwk.y then
    return nil, "at least \"x\" and \"y\" parameter is required"
  end
  local known
  for _, curve in pairs(CURVES) do
    known = known or curve == jwk.crv
  end
  if not known then
    return nil, "curve \"" .. tostring(jwk.crv) .. "\" is not supported by this library"
  end
  return native.key_of_parts("EC", {
    group = jwk.crv, x = decode(jwk.x), y = decode(jwk.y), private = jwk.d and decode(jwk.d),
  })
end

local function load_okp(jwk)
  if jwk.crv ~= "Ed25519" and jwk.crv ~= "X25519" then
    return nil, "curve \"" .. tostring(jwk.crv) .. "\" is not supported by this library"
  end
  if not jwk.x and not jwk.d then
    return nil, "at least \"x\" or \"d\" parameter is required"
  end
  return native.key_of_parts(jwk.crv, { public = jwk.x and decode(jwk.x), private = jwk.d and decode(jwk.d) })
end

local LOADERS = { RSA = load_rsa, EC = load_ec, OKP = load_okp }

-- The key of a JWK, as text or decoded.
function _M.load_jwk(text)
  local jwk = text
  if type(text) ~= "table" then
    local bad
    jwk, bad = cjson.decode(text)
    if type(jwk) ~= "table" then
      return nil, "error decoding JSON from JWK: " .. (bad or "no object")
    end
  end
  local load = LOADERS[jwk.kty]
  if not jwk.kty or not load then
    return nil, "not yet supported jwk type \"" .. tostring(jwk.kty) .. "\""
  end
  local key, err = load(jwk)
  if not key then
    return nil, "failed to construct " .. jwk.kty .. " key from JWK: " .. err
  end
  return key
end


local function dump_rsa(parts, private)
  local jwk = { kty = "RSA" }
  for i, names in ipairs(RSA) do
    local number = parts[names[2]]
    if number and (private or i <= 2) then
      jwk[names[1]] = encode(native.bn_write(number, "bin"))
    end
  end
  return jwk
end

local function dump_ec(parts, private)
  local curve = CURVES[parts.group]
  if not curve then
    return nil, "jwk.dump_jwk: not implemented for this curve"
  end
  local jwk = {
    kty = "EC", crv = curve,
    x = encode(native.bn_write(parts.x, "bin")), y = encode(native.bn_write(parts.y, "bin")),
    d = private and parts.private and encode(native.bn_write(parts.private, "bin")) or nil,
  }
  return jwk
end

local function dump_okp(parts, private, curve)
  local jwk = {
    kty = "OKP", crv = curve, x = encode(parts.public),
    d = private and parts.private and encode(parts.private) or nil,
  }
  return jwk
end

local ORDER = setmetatable({}, { __index = function() return dump_okp end })
ORDER.RSA, ORDER.EC = dump_rsa, dump_ec

-- The JWK of a key: `kind` is RSA, EC, Ed25519 or X25519. Its `kid` is a digest of the key's DER, not the
-- thumbprint of RFC 7638.
function _M.dump_jwk(key, kind, private)
  local jwk, err = ORDER[kind](native.key_parts(key), private, kind)
  if not jwk then
    return nil, err
  end
  local der = native.key_write(key, private and "private" or "public", "DER", private)
  jwk.kid = der and encode(native.digest("sha256", der))
  return cjson.encode(jwk)
end


return _M
