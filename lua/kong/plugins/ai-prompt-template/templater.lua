-- Filling in templates: JSON texts with `{{placeholders}}`.

local cjson = require "cjson.safe"

local concat, gmatch, gsub, pairs, sub, type =
  table.concat, string.gmatch, string.gsub, pairs, string.sub, type

local PLACEHOLDER = "{{([%w_]+)}}"
local ERR_OBJECT = "properties must be an object"

local _M = {}


-- The values as they are inside JSON strings; nil and an error.
local function escape(properties)
  if type(properties) ~= "table" then
    return nil, ERR_OBJECT
  end
  local values = {}
  for name, value in pairs(properties) do
    if type(name) ~= "string" then
      return nil, ERR_OBJECT
    elseif type(value) ~= "string" then
      return nil, "property values must be a string, got " .. type(value)
    end
    values[name] = sub(cjson.encode(value), 2, -2)
  end
  return values
end


-- The names of placeholders, each once.
local function placeholders(text)
  local names, seen = {}, {}
  for name in gmatch(text, PLACEHOLDER) do
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = "[" .. name .. "]"
    end
  end
  return names
end


-- The text of a template with its placeholders filled in; nil and an error when one has no value.
function _M.render(template, properties)
  local values, err = escape(properties)
  if not values then
    return nil, err
  end
  local text = gsub(template.template, PLACEHOLDER, values)
  local missing = placeholders(text)
  if missing[1] then
    return nil, "missing template parameters: " .. concat(missing, ", ")
  end
  return text
end


return _M
