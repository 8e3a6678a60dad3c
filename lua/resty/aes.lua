-- resty.aes: AES with a key given, or derived from a password as OpenSSL's EVP_BytesToKey does.
local native = require "resty.openssl.native"

local error, ipairs, setmetatable, type = error, ipairs, setmetatable, type

local TAG = 16
local MODES = {
  ecb = true, cbc = true, cfb1 = true, cfb8 = true, cfb128 = true, ofb = true, ctr = true, gcm = true,
}
local SIZES = { [128] = true, [192] = true, [256] = true }

local _M = { _VERSION = "0.16" }
local mt = { __index = _M }

local hash_mt = {
  __call = function(self, text)
    return native.digest(self.name, text)
  end,
}

_M.hash = {}
for _, name in ipairs { "md5", "sha1", "sha224", "sha256", "sha384", "sha512" } do
  _M.hash[name] = setmetatable({ name = name }, hash_mt)
end


-- The cipher of a key size and a mode; nil where there is none.
function _M.cipher(size, mode)
  size, mode = size or 128, mode or "cbc"
  if not MODES[mode] or not SIZES[size] then
    return nil
  end
  return { size = size, cipher = mode, method = mode }
end


-- Key and initialisation vector of a table `{ iv =, method = }`.
local function given(hash, key, key_length, iv_length)
  local iv = hash.iv
  if not iv then
    return nil, "iv is needed"
  end
  if #iv ~= iv_length then
    return nil, "bad iv length"
  end
  if hash.method then
    key = hash.method(key)
  end
  if #key ~= key_length then
    return nil, "bad key length"
  end
  return key, iv
end


function _M.new(_, key, salt, wanted, hash, rounds, iv_length, padding)
  wanted = wanted or _M.cipher()
  hash = hash or _M.hash.md5
  local ctx, key_length, default_iv = native.cipher("aes-" .. wanted.size .. "-" .. wanted.method)
  if not ctx then
    return nil, key_length
  end
  if salt and #salt ~= 8 then
    return nil, "salt must be 8 characters or nil"
  end
  local iv
  if type(hash) == "table" and hash.iv then
    key, iv = given(hash, key, key_length, iv_length or default_iv)
    if not key then
      return nil, iv
    end
  elseif type(hash) == "table" and not hash.name then
    return nil, "iv is needed"
  else
    key, iv = native.cipher_key(ctx, key, rounds or 1, salt, hash.name)
    if not key then
      return nil, iv
    end
  end
  return setmetatable({ mode = wanted.method, ctx = ctx, key = key, iv = iv, bare = padding == false }, mt)
end


local function begin(self, encrypts)
  return native.cipher_init(self.ctx, encrypts, self.key, self.iv, self.bare)
end

local function require_self(self)
  if type(self) ~= "table" then
    error("bad argument #1 self: table expected, got " .. type(self), 3)
  end
end


-- The secret; in GCM a list of the secret and its tag.
function _M:encrypt(text, aad)
  require_self(self)
  if not begin(self, true) then
    return nil, "EVP_EncryptInit_ex failed"
  end
  if aad and not native.cipher_aad(self.ctx, aad) then
    return nil, "EVP_EncryptUpdate failed"
  end
  local secret = native.cipher_update(self.ctx, text)
  if not secret then
    return nil, "EVP_EncryptUpdate failed"
  end
  local last = native.cipher_final(self.ctx)
  if not last then
    return nil, "EVP_EncryptFinal_ex failed"
  end
  secret = secret .. last
  if self.mode == "gcm" then
    return { secret, native.cipher_tag(self.ctx, TAG) }
  end
  return secret
end


function _M:decrypt(secret, tag, aad)
  require_self(self)
  if self.mode == "gcm" and not tag then
    return nil, "missing tag"
  end
  if not begin(self, false) then
    return nil, "EVP_DecryptInit_ex failed"
  end
  if aad and not native.cipher_aad(self.ctx, aad) then
    return nil, "EVP_DecryptUpdate failed"
  end
  local text = native.cipher_update(self.ctx, secret)
  if not text then
    return nil, "EVP_DecryptUpdate failed"
  end
  if self.mode == "gcm" and not native.cipher_set_tag(self.ctx, tag) then
    return nil, "EVP_CIPHER_CTX_ctrl failed"
  end
  local last = native.cipher_final(self.ctx)
  if not last then
    return nil, "EVP_DecryptFinal_ex failed"
  end
  return text .. last
end


return _M
