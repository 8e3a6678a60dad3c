-- lua_pack: numbers and texts as bytes in a row, by letters.

local ffi = require "ffi"

local byte, char, find, format, gsub, rep, reverse, sub =
  string.byte, string.char, string.find, string.format, string.gsub, string.rep, string.reverse, string.sub
local band, concat, error, ipairs, pairs, select, tonumber, tostring, type, unpack =
  bit.band, table.concat, error, ipairs, pairs, select, tonumber, tostring, type, unpack

-- C types of numbers, and of the lengths before texts.
local NUMBERS = { c = "int8_t", C = "uint8_t", s = "int16_t", S = "uint16_t", i = "int32_t", I = "uint32_t",
                  l = "int64_t", L = "uint64_t", f = "float", d = "double", n = "double" }
local LENGTHS = { p = "uint8_t", P = "uint16_t", a = "uint64_t" }
-- Whether bytes are swapped on this machine, whose little end is first.
local ORDERS = { ["<"] = false, ["="] = false, [">"] = true }

local boxes, sizes = {}, {}
for _, list in ipairs { NUMBERS, LENGTHS } do
  for letter, kind in pairs(list) do
    boxes[letter], sizes[letter] = ffi.new(kind .. "[1]"), ffi.sizeof(kind)
  end
end


local function write(letter, value, swapped)
  boxes[letter][0] = value
  local text = ffi.string(boxes[letter], sizes[letter])
  return swapped and reverse(text) or text
end


-- The number at a position; nil beyond the end.
local function read(letter, text, at, swapped)
  local part = sub(text, at, at + sizes[letter] - 1)
  if #part < sizes[letter] then
    return nil
  end
  ffi.copy(boxes[letter], swapped and reverse(part) or part, #part)
  return tonumber(boxes[letter][0])
end


local function refuse(letter, name)
  error("bad argument #1 to '" .. name .. "' (bad code `" .. letter .. "')", 3)
end


-- An iterator over letters and how often each counts; 1 where nothing is said.
local function letters(text)
  local at = 1
  return function()
    local _, last, letter, count = find(text, "^(.)(%d*)", at)
    if letter then
      at = last + 1
      return letter, tonumber(count) or 1, count ~= ""
    end
  end
end


local function binary(text)
  local out = {}
  for i = 1, #text do
    for place = 7, 0, -1 do
      out[#out + 1] = band(byte(text, i), 2 ^ place) ~= 0 and "1" or "0"
    end
  end
  return concat(out)
end


local function hexadecimal(text)
  return (gsub(text, ".", function(one) return format("%02X", byte(one)) end))
end


-- What takes so many bytes at once.
local BLOCKS = { A = function(text) return text end, B = binary, X = hexadecimal }


-- ---- reading --------------------------------------------------------------------------------

-- A text after its length, and what follows it.
local function read_sized(letter, text, at, swapped)
  local length = read(letter, text, at, swapped)
  local from = at + sizes[letter]
  if not length or from + length - 1 > #text then
    return nil
  end
  return sub(text, from, from + length - 1), from + length
end


local function read_one(letter, text, at, swapped)
  if NUMBERS[letter] then
    return read(letter, text, at, swapped), at + sizes[letter]
  elseif LENGTHS[letter] then
    return read_sized(letter, text, at, swapped)
  elseif letter == "z" and at <= #text then
    local last = find(text, "\0", at, true) or #text + 1
    return sub(text, at, last - 1), last + 1
  end
end


local function unpack_bytes(text, codes, init)
  local at, swapped, found, count = init or 1, false, {}, 0
  for letter, times in letters(codes) do
    if ORDERS[letter] ~= nil then
      swapped = ORDERS[letter]
    elseif letter == "x" then
      at = at + times
    elseif BLOCKS[letter] then
      if at + times - 1 > #text then
        break
      end
      count = count + 1
      found[count] = BLOCKS[letter](sub(text, at, at + times - 1))
      at = at + times
    elseif NUMBERS[letter] or LENGTHS[letter] or letter == "z" then
      for _ = 1, times do
        local value, next_at = read_one(letter, text, at, swapped)
        if value == nil then
          return at, unpack(found, 1, count)
        end
        count = count + 1
        found[count], at = value, next_at
      end
    elseif letter ~= " " and letter ~= "," then
      refuse(letter, "unpack")
    end
  end
  return at, unpack(found, 1, count)
end


-- ---- writing --------------------------------------------------------------------------------

local function bits(text)
  local out = {}
  for i = 1, #text, 8 do
    local part = sub(text, i, i + 7)
    part = gsub(part, "[^0]", "1") .. rep("0", 8 - #part)
    out[#out + 1] = char(tonumber(part, 2))
  end
  return concat(out)
end


-- What is no digit is passed over.
local function digits(text)
  return (gsub(gsub(text, "%X", ""), "%x%x?", function(pair)
    return char(tonumber(#pair == 1 and pair .. "0" or pair, 16))
  end))
end


local function write_one(letter, value, swapped)
  if NUMBERS[letter] then
    return write(letter, value, swapped)
  end
  value = tostring(value)
  if LENGTHS[letter] then
    return write(letter, #value, swapped) .. value
  elseif letter == "z" then
    return value .. "\0"
  elseif letter == "B" then
    return bits(value)
  end
  return letter == "X" and digits(value) or value
end


local function check(letter, value, position)
  local kind = type(value)
  local wanted = NUMBERS[letter] and "number" or "string"
  if kind ~= wanted and not (wanted == "string" and kind == "number") and not tonumber(value) then
    local got = kind == "nil" and "no value" or kind
    error("bad argument #" .. position .. " to 'pack' (" .. wanted .. " expected, got " .. got .. ")", 3)
  end
end


local function pack_bytes(codes, ...)
  local out, position, swapped = {}, 0, false
  for letter, times in letters(codes) do
    if ORDERS[letter] ~= nil then
      swapped = ORDERS[letter]
    elseif letter == "x" then
      out[#out + 1] = rep("\0", times)
    elseif NUMBERS[letter] or LENGTHS[letter] or BLOCKS[letter] or letter == "z" then
      for _ = 1, times do
        position = position + 1
        local value = select(position, ...)
        check(letter, value, position + 1)
        out[#out + 1] = write_one(letter, NUMBERS[letter] and tonumber(value) or value, swapped)
      end
    elseif letter ~= " " and letter ~= "," then
      refuse(letter, "pack")
    end
  end
  return concat(out)
end


return { pack = pack_bytes, unpack = unpack_bytes }
