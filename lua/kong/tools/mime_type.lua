-- Media types (RFC 2045, section 5.1): `type/subtype; attribute=value`.

local error, type = error, type
local find, lower, match, sub = string.find, string.lower, string.match, string.sub

local TOKEN = "[!#$%%&'*+%-.0-9A-Z^_`a-z{|}~]+"

local _M = {}


-- The next parameter of a list and what follows it; nil when there is none.
local function parameter(text)
  local name, rest = match(text, "^[ \t]*;[ \t]*(" .. TOKEN .. ")=(.*)$")
  if not name then
    return nil
  end
  local value, after = match(rest, "^(" .. TOKEN .. ")(.*)$")
  if value then
    return name, value, after
  end
  local last = 2
  while true do
    local at = find(rest, '["\\]', last)
    if sub(rest, 1, 1) ~= '"' or not at then
      return nil
    elseif sub(rest, at, at) == '"' then
      return name, sub(rest, 2, at - 1), sub(rest, at + 1)
    end
    last = at + 2
  end
end


-- Type, subtype and parameters; nil for text that is no media type.
function _M.parse_mime_type(text)
  local main, subtype, rest = match(text, "^(" .. TOKEN .. ")/(" .. TOKEN .. ")(.*)$")
  if not main then
    rest = match(text, "^%*(.*)$")
    if not rest then
      return nil
    end
    main, subtype = "*", "*"
  end

  local parameters = {}
  while rest ~= "" do
    local name, value, after = parameter(rest)
    if not name then
      return nil
    end
    parameters[lower(name)] = value
    rest = after
  end
  return lower(main), lower(subtype), parameters
end


-- Whether the first media type covers the second: equal, by a wildcard, or by a suffix such as
-- the "+json" of "problem+json".
function _M.includes(this, other)
  if type(this) ~= "table" then
    error("this must be a table", 2)
  elseif type(other) ~= "table" then
    error("other must be a table", 2)
  end

  if this.type == "*" then
    return true
  elseif this.type ~= other.type then
    return false
  elseif this.subtype == "*" or this.subtype == other.subtype then
    return true
  end
  local suffix = "+" .. this.subtype
  return not find(this.subtype, "+", 1, true) and sub(other.subtype, -#suffix) == suffix
end


return _M
