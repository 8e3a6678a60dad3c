-- resty.http_headers: a table of header fields that is read and written in any case of the name.
local lower = string.lower
local pairs, rawget, rawset, setmetatable, type = pairs, rawget, rawset, setmetatable, type

local _M = { _VERSION = "0.17.2" }

local function form_of(name)
  return type(name) == "string" and lower(name) or name
end

-- The table holds nothing but the fields: who compares or counts them sees no more than a plain table has.
function _M.new(initial)
  local names = {} -- as they were first written, by their form for comparison
  local fields = setmetatable({}, {
    __index = function(fields, name)
      local written = names[form_of(name)]
      return written and rawget(fields, written)
    end,
    __newindex = function(fields, name, value)
      local form = form_of(name)
      local written = names[form] or name
      names[form] = value ~= nil and written or nil
      rawset(fields, written, value)
    end,
  })
  for name, value in pairs(initial or {}) do
    fields[name] = value
  end
  return fields
end

return _M
