-- Secrets as they are kept: hashed with PBKDF2, in the PHC string format.

local get_rand_bytes = require("kong.tools.rand").get_rand_bytes
local kdf = require "resty.openssl.kdf"

local find, fmt, match = string.find, string.format, string.match
local assert, tonumber, type = assert, tonumber, type
local decode_base64, encode_base64 = ngx.decode_base64, ngx.encode_base64

local DIGEST, ROUNDS, LENGTH, SALT_LENGTH = "sha512", 10000, 32, 16
local FORM = "$pbkdf2-%s$i=%d,l=%d$%s$%s"
local CURRENT = fmt("$pbkdf2-%s$i=%d,l=%d$", DIGEST, ROUNDS, LENGTH)

local _M = {}


local function derive(secret, salt, digest, rounds, length)
  local made, err = kdf.new("PBKDF2")
  if not made then
    return nil, err
  end
  return made:derive(length, { pass = secret, salt = salt, digest = digest, iter = rounds }, 4)
end


-- Hashes a secret. `options` may have `salt`, `digest`, `iter` and `outlen`.
function _M.hash(secret, options)
  assert(type(secret) == "string", "secret needs to be a string")
  options = options or {}
  local salt = options.salt or get_rand_bytes(SALT_LENGTH)
  local digest, rounds = options.digest or DIGEST, options.iter or ROUNDS
  local length = options.outlen or LENGTH
  local hash, err = derive(secret, salt, digest, rounds, length)
  if not hash then
    return nil, err
  end
  return fmt(FORM, digest, rounds, length, encode_base64(salt, true), encode_base64(hash, true))
end


-- Whether a secret is the one that was hashed; also answers why that cannot be told.
function _M.verify(secret, hash)
  if type(secret) ~= "string" then
    return false, "secret needs to be a string"
  elseif type(hash) ~= "string" then
    return false, "hash needs to be a string"
  end
  local digest, rounds, length, salt, sum =
    match(hash, "^%$pbkdf2%-([^$]+)%$i=(%d+),l=(%d+)%$([^$]*)%$([^$]*)$")
  if not digest then
    return false, "no suitable password hashing algorithm found"
  end
  salt = decode_base64(salt) or salt
  local computed, err = derive(secret, salt, digest, tonumber(rounds), tonumber(length))
  if not computed then
    return nil, err
  end
  return encode_base64(computed, true) == sum
end


-- Whether a hash was made otherwise than hashes are made now.
function _M.needs_rehash(hash)
  return type(hash) ~= "string" or find(hash, CURRENT, 1, true) ~= 1
end


return _M
