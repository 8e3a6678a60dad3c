-- Text: splitting, trimming, sizes, base64.

local type = type
local error = error
local assert = assert
local tostring = tostring
local tonumber = tonumber
local byte, fmt, gsub, lower, match, sub =
  string.byte, string.format, string.gsub, string.lower, string.match, string.sub
local concat, floor = table.concat, math.floor

local _M = {}


-- Joins a list of strings; the separator comes first.
function _M.join(separator, list)
  return concat(list, separator)
end


-- Splits at a plain separator, or at white space, into at most so many parts: a list of Penlight's.
_M.split = require("pl.stringx").split


-- Splits at a plain separator into at most `limit` parts; returns them and how many there are.
function _M.splitn(text, separator, limit)
  local parts = _M.split(text, separator, limit)
  return parts, #parts
end


-- Without the white space around it; "" for nil.
function _M.strip(value)
  if value == nil then
    return ""
  end
  local text = type(value) == "string" and value or tostring(value) or ""
  return match(text, "^%s*(.-)%s*$")
end


-- How many bytes the UTF-8 sequence at `at` has; nil when there is none.
local function utf8_length(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  local function tail(x)
    return x and x >= 0x80 and x <= 0xBF
  end
  if a < 0x80 then
    return 1
  elseif a >= 0xC2 and a <= 0xDF then
    return tail(b) and 2
  elseif a >= 0xE0 and a <= 0xEF then
    local fits = tail(b) and tail(c) and not (a == 0xE0 and b < 0xA0) and not (a == 0xED and b > 0x9F)
    return fits and 3
  elseif a >= 0xF0 and a <= 0xF4 then
    local fits = tail(b) and tail(c) and tail(d) and not (a == 0xF0 and b < 0x90)
                 and not (a == 0xF4 and b > 0x8F)
    return fits and 4
  end
end


-- Whether the text is UTF-8; if not, also where it stops being so.
function _M.validate_utf8(value)
  local text = tostring(value)
  local at = 1
  while at <= #text do
    local length = utf8_length(text, at)
    if not length then
      return false, at
    end
    at = at + length
  end
  return true
end


local UNITS = { k = { 2 ^ 10, "KiB" }, m = { 2 ^ 20, "MiB" }, g = { 2 ^ 30, "GiB" } }

-- A number of bytes as text in the unit asked for: b, k, m or g, in either case.
function _M.bytes_to_str(bytes, unit, scale)
  local wanted = lower(unit or "")
  if wanted == "" or wanted == "b" then
    return fmt("%d", bytes)
  end

  scale = scale or 2
  if type(scale) ~= "number" or scale < 0 then
    error("scale must be equal or greater than 0", 2)
  end

  local known = UNITS[wanted]
  if not known then
    error("invalid unit '" .. unit .. "' (expected 'k/K', 'm/M', or 'g/G')", 2)
  end
  return fmt("%." .. floor(scale) .. "f %s", bytes / known[1], known[2])
end


-- Bytes that a size of nginx's grammar stands for: "10m" is 10485760.
function _M.parse_ngx_size(text)
  assert(type(text) == "string", "Parameter #1 must be a string")
  local unit = UNITS[lower(sub(text, -1))]
  local digits = unit and sub(text, 1, -2) or text
  return (tonumber(digits) or 0) * (unit and unit[1] or 1)
end


local function decode_base64_text(text)
  if type(text) ~= "string" then
    return nil
  end
  return ngx.decode_base64(text) or require("ngx.base64").decode_base64url(text)
end

-- Decodes base64 or base64url where it can and leaves the rest; takes a string or a list of them.
function _M.try_decode_base64(value)
  if type(value) ~= "table" then
    return decode_base64_text(value) or value
  end
  for i = 1, #value do
    value[i] = decode_base64_text(value[i]) or value[i]
  end
  return value
end


function _M.replace_dashes(text)
  return (gsub(text, "-", "_"))
end


function _M.replace_dashes_lower(text)
  return (gsub(lower(text), "-", "_"))
end


return _M
