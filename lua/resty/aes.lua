-- resty.aes: AES with a key given or derived from a password as OpenSSL's EVP_BytesToKey does.
local cipher = require "resty.aes.cipher"

local decrypt, encrypt = cipher.decrypt, cipher.encrypt
local concat, rep, sub = table.concat, string.rep, string.sub
local setmetatable, type = setmetatable, type

local IV_LENGTH = { cbc = 16, ctr = 16, gcm = 12 }

local _M = { _VERSION = "0.15" }
local mt = { __index = _M }

local function digest(name)
  local module = require("resty." .. name)
  return function(text)
    local state = module:new()
    state:update(text)
    return state:final()
  end
end

_M.hash = {
  md5 = digest "md5",
  sha1 = digest "sha1",
  sha224 = digest "sha224",
  sha256 = digest "sha256",
  sha384 = digest "sha384",
  sha512 = digest "sha512",
}

-- The cipher of a key size and a mode; nil where there is none.
function _M.cipher(size, mode)
  size, mode = size or 128, mode or "cbc"
  if not IV_LENGTH[mode] or (size ~= 128 and size ~= 256) then
    return nil
  end
  return { size = size, cipher = mode, method = mode }
end

-- Key and initialisation vector from a password.
local function derive(password, salt, hash, rounds, key_length, iv_length)
  local pieces, made, last = {}, 0, ""
  while made < key_length + iv_length do
    last = hash(last .. password .. salt)
    for _ = 2, rounds do
      last = hash(last)
    end
    pieces[#pieces + 1] = last
    made = made + #last
  end
  local all = concat(pieces)
  return sub(all, 1, key_length), sub(all, key_length + 1, key_length + iv_length)
end

function _M:new(key, salt, wanted, hash, rounds, iv_length)
  wanted = wanted or _M.cipher()
  hash = hash or _M.hash.md5
  local key_length = wanted.size / 8
  iv_length = iv_length or IV_LENGTH[wanted.method]

  if salt and #salt ~= 8 then
    return nil, "salt must be 8 characters or nil"
  end

  local iv
  if type(hash) == "table" then
    iv = hash.iv
    if not iv or #iv ~= iv_length then
      return nil, "bad iv"
    end
    if hash.method then
      key = hash.method(key)
    elseif #key ~= key_length then
      return nil, "bad key length"
    end
    key = sub(key .. rep("\0", key_length), 1, key_length)
  else
    key, iv = derive(key, salt or "", hash, rounds or 1, key_length, iv_length)
  end

  return setmetatable({ mode = wanted.method, key = key, iv = iv }, mt)
end

function _M:encrypt(text)
  local secret, tag = encrypt(self.mode, self.key, self.iv, text)
  if self.mode == "gcm" then
    return { secret, tag }
  end
  return secret
end

function _M:decrypt(secret, tag)
  if self.mode == "gcm" and not tag then
    return nil, "missing tag"
  end
  return decrypt(self.mode, self.key, self.iv, secret, tag or "")
end

return _M
