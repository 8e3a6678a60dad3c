-- What proves a password to a MySQL or MariaDB server, by the name of its method.

local digest = require "resty.openssl.digest"
local pkey = require "resty.openssl.pkey"

local band, bxor, lshift, tobit = bit.band, bit.bxor, bit.lshift, bit.tobit
local byte, char, floor, sub = string.byte, string.char, math.floor, string.sub
local concat = table.concat

local SCRAMBLE, OLD_SCRAMBLE = 20, 8
local OLD_MOST = 0x3FFFFFFF

local _M = {}


local function xor(one, other)
  local out = {}
  for i = 1, #one do
    out[i] = char(bxor(byte(one, i), byte(other, (i - 1) % #other + 1)))
  end
  return concat(out)
end


local function hash(name, text)
  return digest.new(name):final(text)
end


-- ---- before MySQL 4.1 -----------------------------------------------------------------------

-- The product of two whole numbers, modulo 2^32.
local function times(one, other)
  one = one % 4294967296
  return tobit(one % 65536 * other + floor(one / 65536) * other % 65536 * 65536)
end


local function old_hash(text)
  local one, other, add = 1345345333, 0x12345671, 7
  for i = 1, #text do
    local code = byte(text, i)
    if code ~= 32 and code ~= 9 then
      one = bxor(one, tobit(times(band(one, 63) + add, code) + lshift(one, 8)))
      other = tobit(other + bxor(lshift(other, 8), one))
      add = add + code
    end
  end
  return band(one, 0x7FFFFFFF), band(other, 0x7FFFFFFF)
end


local function old_password(password, scramble)
  if password == "" then
    return ""
  end
  local one, other = old_hash(password)
  local salt, pepper = old_hash(sub(scramble, 1, OLD_SCRAMBLE))
  local first, second = bxor(one, salt) % OLD_MOST, bxor(other, pepper) % OLD_MOST
  local function draw()
    first = (first * 3 + second) % OLD_MOST
    second = (first + second + 33) % OLD_MOST
    return floor(first * 31 / OLD_MOST)
  end
  local codes = {}
  for i = 1, OLD_SCRAMBLE do
    codes[i] = char(draw() + 64)
  end
  return xor(concat(codes), char(draw())) .. "\0"
end


-- ---- since ----------------------------------------------------------------------------------

local function native_password(password, scramble)
  if password == "" then
    return ""
  end
  local once = hash("sha1", password)
  return xor(once, hash("sha1", sub(scramble, 1, SCRAMBLE) .. hash("sha1", once)))
end


local function caching_sha2(password, scramble)
  if password == "" then
    return ""
  end
  local once = hash("sha256", password)
  return xor(once, hash("sha256", hash("sha256", once) .. sub(scramble, 1, SCRAMBLE)))
end


-- The password as only the owner of a key can read it.
function _M.encrypted(password, scramble, public_key)
  local key, err = pkey.new(public_key)
  if not key then
    return nil, "new rsa err: " .. err
  end
  local text = xor(password .. "\0", sub(scramble, 1, SCRAMBLE))
  text, err = key:encrypt(text, pkey.PADDINGS.RSA_PKCS1_OAEP_PADDING)
  if not text then
    return nil, "encode password packet: " .. err
  end
  return text
end


-- What a method answers a scramble with. `is_private` says that nobody listens; `public_key` is the server's,
-- where it is known.
function _M.answer(method, password, scramble, is_private, public_key)
  if method == "mysql_native_password" then
    return native_password(password, scramble)
  elseif method == "caching_sha2_password" then
    return caching_sha2(password, scramble)
  elseif method == "mysql_old_password" then
    return old_password(password, scramble)
  elseif method == "mysql_clear_password" then
    return password .. "\0"
  elseif method == "sha256_password" then
    if is_private or password == "" then
      return password .. "\0"
    elseif public_key then
      return _M.encrypted(password, scramble, public_key)
    end
    -- Asks for the server's key.
    return "\1"
  end
  return nil, "unknown plugin: " .. method
end


return _M
