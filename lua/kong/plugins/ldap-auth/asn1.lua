--- As much of ASN.1 in its basic encoding (X.690) as LDAP takes. Offsets count from 0.

local band = bit.band
local byte, char, sub = string.byte, string.char, string.sub
local floor, ipairs, type = math.floor, ipairs, type

local CLASS = { UNIVERSAL = 0x00, APPLICATION = 0x40, CONTEXT_SPECIFIC = 0x80, PRIVATE = 0xc0 }
local TAG = { EOC = 0, BOOLEAN = 1, INTEGER = 2, OCTET_STRING = 4, NULL = 5, ENUMERATED = 10, SEQUENCE = 16 }

local CONSTRUCTED, INVALID = 0x20, 0x80
-- Bytes that a length may be written with: more than memory has is no length.
local LONGEST_LENGTH = 4

local _M = { CLASS = CLASS, TAG = TAG }


-- ---- reading --------------------------------------------------------------------------------

local function invalid(flags)
  return nil, "der with error encoding: " .. INVALID + (flags or 0)
end


-- The length written at an offset, and the offset behind it.
local function read_length(der, offset)
  local first = byte(der, offset + 1)
  if not first or first == 0x80 then
    return nil
  elseif first < 0x80 then
    return first, offset + 1
  end
  local count, length = first - 0x80, 0
  if count > LONGEST_LENGTH or offset + 1 + count > #der then
    return nil
  end
  for i = 1, count do
    length = length * 256 + byte(der, offset + 1 + i)
  end
  return length, offset + 1 + count
end


--- What stands at an offset: its `tag` and `class`, whether it has parts (`cons`), the `offset` and `len` of
-- its content, and the length of its header (`hl`).
function _M.get_object(der, start, stop)
  start, stop = start or 0, stop or #der
  if stop <= start or stop > #der then
    return nil, "invalid offset"
  end
  local first = byte(der, start + 1)
  local flags, tag = band(first, CONSTRUCTED), band(first, 0x1f)
  local length, offset = read_length(der, start + 1)
  -- LDAP has no tags above 30
  if not length or tag == 0x1f then
    return invalid()
  elseif offset + length > stop then
    return invalid(flags)
  end
  return {
    tag = tag, class = band(first, 0xc0), cons = flags ~= 0, len = length, offset = offset,
    hl = offset - start,
  }
end


-- A whole number in two's complement; nil unless it is written in as few bytes as it can be.
local function read_integer(content)
  local first, second = byte(content, 1, 2)
  if not first or second and (first == 0 and second < 0x80 or first == 0xff and second >= 0x80) then
    return nil
  end
  local value = first >= 0x80 and first - 256 or first
  for i = 2, #content do
    value = value * 256 + byte(content, i)
  end
  return value
end


--- Reads a number or a text. Answers the offset behind it and the value; or nil, nil and what is wrong.
function _M.decode(der, offset)
  local object, err = _M.get_object(der, offset or 0)
  if not object then
    return nil, nil, err
  end
  local stop = object.offset + object.len
  local content = sub(der, object.offset + 1, stop)
  if object.tag == TAG.OCTET_STRING then
    return stop, content
  elseif object.tag ~= TAG.INTEGER and object.tag ~= TAG.ENUMERATED then
    return nil, nil, "unknown tag type: " .. object.tag
  end
  local value = read_integer(content)
  if not value then
    local name = object.tag == TAG.INTEGER and "ASN1_INTEGER" or "ASN1_ENUMERATED"
    return stop, nil, "failed to decode " .. name
  end
  return stop, value
end


-- A value of a type at an offset, and the offset behind it; or nil and what is wrong.
local function expect(der, offset, kind, wrong)
  local after, value, err = _M.decode(der, offset)
  if err then
    return nil, err
  elseif type(value) ~= kind then
    return nil, wrong
  end
  return value, after
end


--- Reads the content of a message with a result (RFC 4511, 4.1.9).
function _M.parse_ldap_result(der)
  local result = {}
  local after
  result.message_id, after = expect(der, 0, "number", "message id should be an integer value")
  if not result.message_id then
    return nil, after
  end
  local operation, err = _M.get_object(der, after)
  if not operation then
    return nil, err
  end
  result.protocol_op = operation.tag
  local offset = operation.offset
  for _, part in ipairs {
    { "result_code", "number", "result code should be an enumerated value" },
    { "matched_dn", "string", "matched dn should be an octet string" },
    { "diagnostic_msg", "string", "diagnostic message should be an octet string" },
  } do
    local value, behind = expect(der, offset, part[2], part[3])
    if value == nil then
      return nil, behind
    end
    result[part[1]], offset = value, behind
  end
  return result
end


-- ---- writing --------------------------------------------------------------------------------

local function bytes_of(number)
  local text = ""
  repeat
    text = char(number % 256) .. text
    number = floor(number / 256)
  until number == 0
  return text
end


--- Puts a header before content; `constructed` is 1 for what has parts.
function _M.put_object(tag, class, constructed, content)
  local length = bytes_of(#content)
  if #content >= 0x80 then
    length = char(0x80 + #length) .. length
  end
  return char(class + constructed * CONSTRUCTED + tag) .. length .. content
end


--- Writes a text, a whole number from 0 on, or with a tag what that says.
function _M.encode(value, tag)
  local content = value
  if type(value) == "number" then
    tag, content = tag or TAG.INTEGER, bytes_of(value)
    if byte(content) >= 0x80 then
      content = "\0" .. content
    end
  end
  tag = tag or TAG.OCTET_STRING
  return _M.put_object(tag, CLASS.UNIVERSAL, tag == TAG.SEQUENCE and 1 or 0, content)
end


return _M
