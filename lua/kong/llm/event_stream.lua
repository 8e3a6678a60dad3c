-- The messages of an AWS event stream (application/vnd.amazon.eventstream).
--
-- A message: its length and that of its headers (32 bits each, big-endian), a checksum, headers, body, a
-- checksum. The checksums are TCP's business.

local bit = require "bit"

local byte, error, sub = string.byte, error, string.sub
local bor, lshift = bit.bor, bit.lshift

local PRELUDE, CHECKSUM, MAXIMUM = 12, 4, 24 * 1024 * 1024
-- The bytes that a header's value takes, by its type; strings and byte arrays tell their length.
local SIZES = { [0] = 0, [1] = 0, [2] = 1, [3] = 2, [4] = 4, [5] = 8, [8] = 8, [9] = 16 }


local function integer(text, at, size)
  local value = 0
  for i = at, at + size - 1 do
    value = bor(lshift(value, 8), byte(text, i) or 0)
  end
  return value
end


local function headers_of(text, at, last)
  local headers = {}
  while at < last do
    local length = byte(text, at)
    local name, kind = sub(text, at + 1, at + length), byte(text, at + length + 1)
    at = at + length + 2
    local size = SIZES[kind]
    if not size then
      size, at = integer(text, at, 2), at + 2
    end
    if kind == 0 or kind == 1 then
      headers[name] = kind == 0
    else
      headers[name] = sub(text, at, at + size - 1)
    end
    at = at + size
  end
  return headers
end


-- The messages in `text`, each with `headers` and `body`, and the beginning of one that is not all there.
return function(text)
  local messages, at = {}, 1
  while #text - at + 1 >= PRELUDE do
    local length, headers_length = integer(text, at, 4), integer(text, at + 4, 4)
    if length < PRELUDE + CHECKSUM or length > MAXIMUM then
      error("not an AWS event stream", 0)
    elseif #text - at + 1 < length then
      break
    end
    local body = at + PRELUDE + headers_length
    messages[#messages + 1] = {
      headers = headers_of(text, at + PRELUDE, body),
      body = sub(text, body, at + length - CHECKSUM - 1),
    }
    at = at + length
  end
  return messages, sub(text, at)
end
