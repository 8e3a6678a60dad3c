-- Writing messages of Protocol Buffers: each function answers the bytes of a field.

local bor, band, rshift = bit.bor, bit.band, bit.rshift
local ffi = require "ffi"

local char, floor = string.char, math.floor
local ffi_string = ffi.string

local TWO_32 = 4294967296

local double = ffi.new("double[1]")

local _M = {}


-- A whole number from 0 on in groups of seven bits.
local function varint(number)
  local text = ""
  while number >= 128 do
    text = text .. char(number % 128 + 128)
    number = floor(number / 128)
  end
  return text .. char(number)
end


local function tag(field, wire_type)
  return varint(field * 8 + wire_type)
end


local function little_endian(word)
  return char(band(word, 0xff), band(rshift(word, 8), 0xff), band(rshift(word, 16), 0xff),
              band(rshift(word, 24), 0xff))
end


-- Text, bytes, or a message.
function _M.bytes(field, value)
  return tag(field, 2) .. varint(#value) .. value
end


-- A whole number from 0 on.
function _M.number(field, value)
  return tag(field, 0) .. varint(value)
end


function _M.bool(field, value)
  return tag(field, 0) .. (value and "\1" or "\0")
end


function _M.double(field, value)
  double[0] = value
  return tag(field, 1) .. ffi_string(double, 8)
end


function _M.fixed32(field, value)
  return tag(field, 5) .. little_endian(bor(value, 0))
end


-- A whole number from 0 to 2^64.
function _M.fixed64(field, value)
  local high = floor(value / TWO_32)
  return tag(field, 1) .. little_endian(value - high * TWO_32) .. little_endian(high)
end


return _M
