-- resty.openssl.pkey: keys that sign, verify, encrypt and agree.
local bn = require "resty.openssl.bn"
local digest = require "resty.openssl.digest"
local jwk = require "resty.openssl.auxiliary.jwk"
local native = require "resty.openssl.native"
local objects = require "resty.openssl.objects"

local ceil, floor = math.ceil, math.floor
local match, sub, upper = string.match, string.sub, string.upper
local ipairs, getmetatable, pairs, setmetatable, tostring, type =
  ipairs, getmetatable, pairs, setmetatable, tostring, type

local RSA, RSA_PSS, EC, ED25519, X25519 = 6, 912, 408, 949, 948
local KINDS = { [RSA] = "RSA", [RSA_PSS] = "RSA", [EC] = "EC", [ED25519] = "Ed25519", [X25519] = "X25519" }
-- What OpenSSL 3 numbers otherwise than the library behind.
local OPENSSL = { [ED25519] = 1087, [X25519] = 1034 }
local NAMES = { [ED25519] = "ED25519", [X25519] = "X25519" }

local PADDINGS = {
  RSA_PKCS1_PADDING = 1,
  RSA_SSLV23_PADDING = 2,
  RSA_NO_PADDING = 3,
  RSA_PKCS1_OAEP_PADDING = 4,
  RSA_X931_PADDING = 5,
  RSA_PKCS1_PSS_PADDING = 6,
}

local _M = {
  PADDINGS = PADDINGS,
  RSA_PSS_SALTLEN_DIGEST = -1,
  RSA_PSS_SALTLEN_AUTO = -2,
  RSA_PSS_SALTLEN_MAX = -3,
}
for name, number in pairs(PADDINGS) do
  _M[name] = number
end
local mt = { __index = _M }


local function wrap(key, err)
  if not key then
    return nil, err
  end
  local id, size, bits, private = native.key_facts(key)
  return setmetatable({
    ctx = key, native = key, key_type = id, kind = KINDS[id], buf_size = size, bits = bits, private = private,
  }, mt)
end

_M._wrap = wrap


-- ---- making ---------------------------------------------------------------------------------

local function curve_of(config)
  for _, command in ipairs(config) do
    local curve = match(command, "^ec_paramgen_curve:(.+)$")
    if curve then
      return curve
    end
  end
  return config.curve or "prime256v1"
end

local function parameters_of(config)
  local parts = {}
  for name, value in pairs(config.params) do
    parts[name] = bn.istype(value) and value.ctx or value
  end
  if config.type == "EC" and type(parts.public) == "string" then
    local length = floor((#parts.public - 1) / 2)
    parts.x, parts.y = sub(parts.public, 2, 1 + length), sub(parts.public, 2 + length)
  end
  return parts
end

local function generate(config)
  local kind = config.type or "RSA"
  if config.params then
    return native.key_of_parts(kind, parameters_of(config))
  end
  if config.bits and kind == "RSA" and config.bits > 4294967295 then
    return nil, "bits out of range"
  end
  local curve = kind == "EC" and curve_of(config) or nil
  return native.key_generate(kind, config.bits, config.exp, curve)
end

local function load(text, options)
  options = options or {}
  local format, kind = options.format or "*", options.type or "*"
  if format ~= "*" and format ~= "PEM" and format ~= "DER" and format ~= "JWK" then
    return nil, "unexpected format: " .. tostring(format)
  end
  if kind ~= "pu" and kind ~= "pr" and kind ~= "*" then
    return nil, "unexpected type: " .. tostring(kind)
  end
  if format == "JWK" or format == "*" and kind == "*" and match(text, "^%s*{") then
    local key, err = jwk.load_jwk(text)
    if not key then
      return nil, err
    end
    return key
  end
  local phrase = options.passphrase
  if not phrase and options.passphrase_cb then
    phrase = options.passphrase_cb()
  end
  return native.key(text, format, kind, phrase)
end


-- A new key: by default of RSA, by a table of what kind, of a text, or of another key.
function _M.new(source, options)
  if source == nil then
    source = {}
  end
  local key, err
  if getmetatable(source) == mt then
    return source
  elseif type(source) == "table" then
    key, err = generate(source)
    if not key then
      return nil, "pkey.new:generate_key: " .. err
    end
  elseif type(source) == "string" then
    key, err = load(source, options)
    if not key then
      return nil, match(err, "^pkey%.new") and err or "pkey.new:load_key: " .. err
    end
  else
    return nil, "pkey.new: unexpected type " .. type(source) .. " at #1"
  end
  return wrap(key)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.paramgen(config)
  return nil, "pkey.paramgen: parameters of " .. tostring(config and config.type) .. " are not supported"
end


-- ---- asking ---------------------------------------------------------------------------------

function _M:get_key_type(nid_only)
  local id = self.key_type
  local found = objects.nid2table(id)
  local nid = OPENSSL[id] or id
  if nid_only then
    return nid
  end
  return {
    id = found and found.id or nid, nid = nid,
    sn = NAMES[id] or found and found.sn, ln = NAMES[id] or found and found.ln,
  }
end

function _M:is_private()
  return self.private
end

function _M:get_size()
  return self.buf_size
end

function _M:get_default_digest_type()
  if self.key_type == ED25519 then
    return { id = 0, nid = 0, sn = "UNDEF", ln = "undefined", mandatory = true }
  end
  local entry = objects.nid2table(672)
  entry.mandatory = false
  return entry
end

function _M.get_provider_name()
  return "default"
end

function _M:get_parameters()
  local parts = native.key_parts(self.ctx)
  local parameters = {}
  for name, value in pairs(parts) do
    parameters[name] = type(value) == "userdata" and bn._wrap(value) or value
  end
  if self.kind == "EC" and parts.x then
    local length = ceil(parts.degree / 8)
    parameters.degree = nil
    parameters.public = bn.from_binary("\4" .. native.bn_write(parts.x, "bin", length)
                                       .. native.bn_write(parts.y, "bin", length))
  end
  return parameters
end

function _M:set_parameters(given)
  local kind = self.kind
  local parts = native.key_parts(self.ctx)
  for name, value in pairs(given) do
    parts[name] = bn.istype(value) and value.ctx or value
  end
  if kind == "EC" and given.private and not given.x then
    parts.x, parts.y = nil, nil
  end
  local key, err = native.key_of_parts(kind, parts)
  if not key then
    return false, err
  end
  local changed = wrap(key)
  for name, value in pairs(changed) do
    self[name] = value
  end
  return true
end


-- ---- signing --------------------------------------------------------------------------------

-- The text to sign and the digest to sign it with: a digest object carries both.
local function message(self, data, algorithm)
  if digest.istype(data) then
    return data:text(), data.algorithm
  end
  if self.key_type == ED25519 then
    return data, nil
  end
  return data, algorithm or "sha256"
end

local function options_of(padding, name, options)
  options = options or {}
  local salt = options.pss_saltlen
  if padding == PADDINGS.RSA_PKCS1_PSS_PADDING and salt == nil then
    salt = -2
  end
  return {
    digest = name, padding = padding, pss_saltlen = salt, mgf1_md = options.mgf1_md,
    oaep_md = options.oaep_md,
  }
end

local function raw_length(self)
  return ceil(self.bits / 8)
end

function _M:sign(data, algorithm, padding, options)
  if not self.private then
    return nil, "pkey:sign: not a private key"
  end
  if type(data) ~= "string" and not digest.istype(data) then
    return nil, "pkey:sign: expect a digest instance or a string at #1"
  end
  local text, name = message(self, data, algorithm)
  local padded = self.kind == "RSA" and (padding or PADDINGS.RSA_PKCS1_PADDING) or nil
  local signature, err = native.key_sign(self.ctx, text, options_of(padded, name, options))
  if not signature then
    return nil, err
  end
  if self.key_type == EC and options and options.ecdsa_use_raw then
    return native.ecdsa_to_raw(signature, raw_length(self))
  end
  return signature
end

function _M:verify(signature, data, algorithm, padding, options)
  if type(signature) ~= "string" then
    return nil, "pkey:verify: expect a string at #1"
  end
  if type(data) ~= "string" and not digest.istype(data) then
    return nil, "pkey:verify: expect a digest instance or a string at #2"
  end
  if self.key_type == EC and options and options.ecdsa_use_raw then
    if #signature ~= 2 * raw_length(self) then
      return nil, "pkey:sign: ecdsa.sig_raw2der: invalid signature length, expect "
        .. 2 * raw_length(self) .. " but got " .. #signature
    end
    local der, err = native.ecdsa_to_der(signature)
    if not der then
      return nil, err
    end
    signature = der
  end
  local text, name = message(self, data, algorithm)
  local padded = self.kind == "RSA" and (padding or PADDINGS.RSA_PKCS1_PADDING) or nil
  return native.key_verify(self.ctx, signature, text, options_of(padded, name, options))
end

function _M:sign_raw(data, padding, options)
  if self.kind == "RSA" and not (options and options.digest) then
    return native.key_crypt(self.ctx, data, "sign", options_of(padding or 1, nil, options))
  end
  return native.key_sign(self.ctx, data, options_of(padding, nil, options), true)
end

function _M:verify_raw(signature, data, md, padding, options)
  return native.key_verify(self.ctx, signature, data, options_of(padding, md, options), true)
end

function _M:verify_recover(signature, padding)
  return native.key_crypt(self.ctx, signature, "recover", { padding = padding or 1 })
end


-- ---- encrypting and agreeing ----------------------------------------------------------------

local function crypt(operation)
  return function(self, text, padding, options)
    if self.kind ~= "RSA" then
      return nil, "pkey:" .. operation .. ": only RSA keys are supported"
    end
    if padding ~= nil and type(padding) ~= "number" then
      return nil, "invalid padding: " .. tostring(padding)
    end
    return native.key_crypt(self.ctx, text, operation, {
      padding = padding or PADDINGS.RSA_PKCS1_PADDING,
      oaep_md = options and options.oaep_md, mgf1_md = options and options.mgf1_md,
    })
  end
end

_M.encrypt, _M.decrypt = crypt "encrypt", crypt "decrypt"

function _M:derive(peer)
  if not _M.istype(peer) then
    return nil, "pkey:derive: expect a pkey instance at #1"
  end
  return native.key_derive(self.ctx, peer.ctx)
end


-- ---- writing --------------------------------------------------------------------------------

-- Anything else is written as PEM.
local FORMATS = { DER = "DER", JWK = "JWK" }

function _M:tostring(which, format, traditional)
  local private = which == "private" or which == "PrivateKey"
  if which and not private and which ~= "public" and which ~= "PublicKey" then
    return nil, "pkey:tostring: can only export private or public key, not " .. tostring(which)
  end
  format = FORMATS[type(format) == "string" and upper(format)] or "PEM"
  if traditional then
    return nil, format == "PEM" and self.kind == "RSA"
      and "writing out RSA key in PKCS#1 format is not supported in OpenSSL 3.0"
      or "PKCS#1 format is only supported to encode RSA key in \"PEM\" format"
  end
  if private and not self.private then
    return nil, format == "JWK" and "jwk.dump_jwk: could not dump public key as private key"
      or "pkey:tostring: not a private key"
  end
  if format == "JWK" then
    return jwk.dump_jwk(self.ctx, self.kind, private)
  end
  return native.key_write(self.ctx, private and "private" or "public", format)
end

function _M:to_PEM(which, traditional)
  return self:tostring(which, "PEM", traditional)
end

mt.__tostring = function(self)
  return self:tostring()
end


return _M
