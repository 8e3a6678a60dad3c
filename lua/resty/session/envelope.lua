-- resty.session.envelope: the header of a session cookie, and the keys it is sealed with.
--
-- type 1 | flags 2 | id 32 | created 5 | rolling 4 | size 3 | tag 16 | idling 3 | code 16, in bytes.
-- Numbers are little endian; the last three fields are written after the data was sealed.
local native = require "resty.openssl.native"

local char, byte, sub = string.char, string.byte, string.sub
local floor = math.floor

local _M = { SIZE = 82, AAD = 47, SIGNED = 66, STORAGE = 0x0001, FORGET = 0x0002, DEFLATE = 0x0010 }

local ITERATIONS = { Low = 1000, Medium = 10000, High = 100000, ["Very High"] = 1000000 }


local function number_bytes(number, length)
  local out = ""
  for _ = 1, length do
    out = out .. char(number % 256)
    number = floor(number / 256)
  end
  return out
end

local function number_at(text, at, length)
  local number = 0
  for i = at + length - 1, at, -1 do
    number = number * 256 + byte(text, i)
  end
  return number
end


-- HKDF of RFC 5869 in its two steps; the salt is empty.
function _M.extract(ikm)
  return native.hmac("sha256", "", ikm)
end

local function expand(key, info, length)
  local out, last = "", ""
  local count = 0
  while #out < length do
    count = count + 1
    last = native.hmac("sha256", key, last .. info .. char(count))
    out = out .. last
  end
  return sub(out, 1, length)
end

-- The key and the initialisation vector for the data of a session.
local function sealing_key(key, id, safety)
  local info = "encryption:" .. id
  local iterations = safety and ITERATIONS[safety]
  local out = iterations and native.pbkdf2("sha256", key, info, iterations, 44) or expand(key, info, 44)
  return sub(out, 1, 32), sub(out, 33)
end

local function code_of(key, id, text)
  local mac_key = expand(key, "authentication:" .. id, 32)
  return sub(native.hmac("sha256", mac_key, text), 1, 16)
end


-- Seals data: the header and what it hides. `head` has flags, id, created and rolling.
function _M.seal(key, head, data, safety)
  local text = char(1) .. number_bytes(head.flags, 2) .. head.id .. number_bytes(head.created, 5)
    .. number_bytes(head.rolling, 4) .. number_bytes(#data, 3)
  local cipher = native.cipher("aes-256-gcm")
  local aes_key, iv = sealing_key(key, head.id, safety)
  native.cipher_init(cipher, true, aes_key, iv)
  native.cipher_aad(cipher, text)
  local hidden = native.cipher_update(cipher, data) .. native.cipher_final(cipher)
  text = text .. native.cipher_tag(cipher, 16)
  return _M.sign(key, head.id, text, 0), hidden
end

-- The header with an idling offset and its code.
function _M.sign(key, id, text, idling)
  text = sub(text, 1, 63) .. number_bytes(idling, 3)
  return text .. code_of(key, id, text)
end


-- What a header says; nil where its code is not of this key.
function _M.read(key, text)
  if #text ~= _M.SIZE or byte(text) ~= 1 then
    return nil, "invalid session header"
  end
  local id = sub(text, 4, 35)
  if code_of(key, id, sub(text, 1, _M.SIGNED)) ~= sub(text, 67) then
    return nil, "invalid session message authentication code"
  end
  return {
    text = text, flags = number_at(text, 2, 2), id = id, created = number_at(text, 36, 5),
    rolling = number_at(text, 41, 4), size = number_at(text, 45, 3), tag = sub(text, 48, 63),
    idling = number_at(text, 64, 3),
  }
end


-- What was hidden; nil where it is not what was sealed.
function _M.unseal(key, head, hidden, safety)
  local cipher = native.cipher("aes-256-gcm")
  local aes_key, iv = sealing_key(key, head.id, safety)
  native.cipher_init(cipher, false, aes_key, iv)
  native.cipher_aad(cipher, sub(head.text, 1, _M.AAD))
  local data = native.cipher_update(cipher, hidden)
  native.cipher_set_tag(cipher, head.tag)
  local last = data and native.cipher_final(cipher)
  if not last then
    return nil, "unable to decrypt session data"
  end
  return data .. last
end


return _M
