-- Checks of arguments that name or set headers.

local error, fmt, ipairs, pairs, tostring, type = error, string.format, ipairs, pairs, tostring, type

local _M = {}


local function visible(text)
  return text == "" and " " or text
end


-- A header value as text; an empty one becomes a space, since nginx drops empty values.
local function normalize_header(value)
  return type(value) == "string" and visible(value) or tostring(value)
end

_M.normalize_header = normalize_header


-- As normalize_header, item by item for a list.
function _M.normalize_multi_header(value)
  if type(value) ~= "table" then
    return normalize_header(value)
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = visible(item)
  end
  return list
end


-- Throws, in the name of the caller's caller, unless the pair can be a header.
local function check(name, value, expected, level)
  if type(name) ~= "string" then
    error(fmt("invalid header name %q: got %s, expected string", tostring(name), type(name)), level)
  end
  local kind = type(value)
  if kind == "table" then
    for _, item in ipairs(value) do
      if type(item) ~= "string" then
        error(fmt("invalid header value in array %q: got %s, expected string", name, type(item)), level)
      end
    end
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(fmt("invalid header value for %q: got %s, expected %s", name, kind, expected), level)
  end
end


function _M.validate_header(name, value)
  check(name, value, "array of string, string, number or boolean", 4)
  local kind = type(value)
  return (kind == "number" or kind == "boolean") and tostring(value) or value
end


function _M.validate_headers(headers)
  if type(headers) ~= "table" then
    error("headers must be a table", 3)
  end
  for name, value in pairs(headers) do
    check(name, value, "string, number, boolean or array of strings", 4)
  end
end


-- Throws unless a limit on how many items are read lies between 1 and 1000, in the name of the
-- caller's caller or of the function `level` levels up.
function _M.check_limit(name, value, level)
  level = level or 3
  if type(value) ~= "number" then
    error(name .. " must be a number", level)
  elseif value < 1 then
    error(name .. " must be >= 1", level)
  elseif value > 1000 then
    error(name .. " must be <= 1000", level)
  end
end


return _M
