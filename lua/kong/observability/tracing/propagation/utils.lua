-- Formats of trace contexts, and the ids in them: bytes, of the lengths that W3C gives them.

local char, gsub, match, rep, sub, tonumber, type =
  string.char, string.gsub, string.match, string.rep, string.sub, tonumber, type
local error, pairs, setmetatable = error, pairs, setmetatable
local unescape_uri = ngx.unescape_uri

local TRACE_ID_LENGTH, SPAN_ID_LENGTH = 16, 8

local _M = {
  FORMATS = { W3C = "w3c", B3 = "b3", B3_SINGLE = "b3-single", JAEGER = "jaeger", OT = "ot",
              DATADOG = "datadog", AWS = "aws", GCP = "gcp" },
}


local function byte_of(digits)
  return char(tonumber(digits, 16))
end


-- The bytes of a hexadecimal number.
function _M.from_hex(text)
  if type(text) ~= "string" then
    return nil, "not a string"
  elseif #text % 2 == 1 then
    text = "0" .. text
  end
  return (gsub(text, "%x%x", byte_of))
end


-- An id of so many bytes: cut, or filled with zeros, from the left.
function _M.to_id_size(id, length)
  if not id or #id == length then
    return id
  elseif #id > length then
    return sub(id, -length)
  end
  return rep("\0", length - #id) .. id
end


function _M.to_kong_trace_id(id)
  return _M.to_id_size(id, TRACE_ID_LENGTH)
end


function _M.to_kong_span_id(id)
  return _M.to_id_size(id, SPAN_ID_LENGTH)
end


local IMMUTABLE = {
  __newindex = function()
    error("attempt to set immutable baggage", 2)
  end,
}


-- What headers carry along whose names match a pattern; nil for nothing.
function _M.parse_baggage_headers(headers, pattern)
  local baggage
  for name, value in pairs(headers) do
    local key = match(name, pattern)
    if key then
      baggage = baggage or {}
      baggage[key] = unescape_uri(value)
    end
  end
  return baggage and setmetatable(baggage, IMMUTABLE)
end


return _M
