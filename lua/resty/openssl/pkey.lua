-- resty.openssl.pkey: keys that sign and verify.
local native = require "resty.openssl.native"
local digest = require "resty.openssl.digest"
local json = require "cjson.safe"
local decode_base64url = require("ngx.base64").decode_base64url

local encode_base64 = ngx.encode_base64
local gsub = string.gsub
local getmetatable, setmetatable, type = getmetatable, setmetatable, type

local KEY_TYPES = {
  rsaEncryption = { id = 6, nid = 6, sn = "rsaEncryption", ln = "rsaEncryption" },
  ["id-ecPublicKey"] = { id = 408, nid = 408, sn = "id-ecPublicKey", ln = "id-ecPublicKey" },
  ED25519 = { id = 1087, nid = 1087, sn = "ED25519", ln = "ED25519" },
}

local _M = {
  PADDINGS = {
    RSA_PKCS1_PADDING = 1,
    RSA_SSLV23_PADDING = 2,
    RSA_NO_PADDING = 3,
    RSA_PKCS1_OAEP_PADDING = 4,
    RSA_X931_PADDING = 5,
    RSA_PKCS1_PSS_PADDING = 6,
  },
}
local mt = {
  __index = _M,
  __tostring = function(key)
    return key:tostring("public", "PEM")
  end,
}

-- A public key of a JWK.
local function key_of_jwk(text)
  local jwk, err = json.decode(text)
  if not jwk then
    return nil, "failed to decode JWK: " .. err
  end
  if jwk.d then
    return nil, "private keys as JWK are not supported"
  end
  local kind, first, second = jwk.kty, jwk.n, jwk.e
  if kind ~= "RSA" then
    kind, first, second = jwk.crv, jwk.x, jwk.y
  end
  first = first and decode_base64url(first)
  if not kind or not first then
    return nil, "at least \"kty\" and the key's own fields are required in a JWK"
  end
  return native.key_of_parts(kind, first, second and decode_base64url(second))
end

function _M.new(text, options)
  if type(text) ~= "string" then
    return nil, "pkey.new: only keys given as text are supported"
  end
  local load = options and options.format == "JWK" and key_of_jwk or native.key
  local key, err = load(text)
  if not key then
    return nil, err
  end
  local kind, private, public_der, private_der = native.key_facts(key)
  return setmetatable({
    native = key, kind = kind, private = private, public_der = public_der, private_der = private_der,
  }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:get_key_type()
  return KEY_TYPES[self.kind]
end

function _M:is_private()
  return self.private
end

-- The text to sign and the digest to sign it with: a digest object carries both.
local function message(data, algorithm)
  if digest.istype(data) then
    return data:text(), data.algorithm
  end
  return data, algorithm or "sha256"
end

function _M:sign(data, algorithm, padding, options)
  local text, name = message(data, algorithm)
  return native.key_sign(self.native, text, name, padding, options and options.ecdsa_use_raw)
end

function _M:verify(signature, data, algorithm, padding, options)
  local text, name = message(data, algorithm)
  return native.key_verify(self.native, signature, text, name, padding, options and options.ecdsa_use_raw)
end

local function pem(label, der)
  local text = gsub(encode_base64(der), ("."):rep(64), "%0\n")
  return "-----BEGIN " .. label .. "-----\n" .. gsub(text, "\n$", "") .. "\n-----END " .. label .. "-----\n"
end

function _M:tostring(which, format)
  local private = which == "private" or which == "PrivateKey"
  local der = private and self.private_der or not private and self.public_der
  if not der then
    return nil, "pkey:tostring: not a private key"
  end
  if format == "DER" then
    return der
  end
  return pem(private and "PRIVATE KEY" or "PUBLIC KEY", der)
end

function _M:to_PEM(which)
  return self:tostring(which, "PEM")
end

for _, name in ipairs { "encrypt", "decrypt", "derive", "get_parameters", "set_parameters" } do
  _M[name] = function()
    return nil, "pkey:" .. name .. ": not supported by this gateway"
  end
end

return _M
