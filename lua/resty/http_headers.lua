-- resty.http_headers: a table of header fields that is read and written in any case of the name.
local lower = string.lower
local pairs, rawget, rawset, setmetatable, type = pairs, rawget, rawset, setmetatable, type

local _M = { _VERSION = "0.17.2" }

-- The names as they were first written, by their form for comparison, in a field no name can be.
local NAMES = {}

local function form_of(name)
  return type(name) == "string" and lower(name):gsub("_", "-") or name
end

local mt = {
  __index = function(fields, name)
    local written = rawget(fields, NAMES)[form_of(name)]
    return written and rawget(fields, written)
  end,
  __newindex = function(fields, name, value)
    local names, form = rawget(fields, NAMES), form_of(name)
    local written = names[form]
    if not written then
      written = name
      names[form] = name
    end
    if value == nil then
      names[form] = nil
    end
    rawset(fields, written, value)
  end,
  __pairs = function(fields)
    local function following(_, name)
      local key, value = next(fields, name)
      if key == NAMES then
        key, value = next(fields, key)
      end
      return key, value
    end
    return following, fields, nil
  end,
}

function _M.new(initial)
  local fields = setmetatable({ [NAMES] = {} }, mt)
  for name, value in pairs(initial or {}) do
    fields[name] = value
  end
  return fields
end

return _M
