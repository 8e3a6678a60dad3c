-- Changing JSON objects in response bodies.

local cjson = require("cjson.safe").new()
local rules = require "kong.plugins.request-transformer.rules"

local byte, gsub, match, sub = string.byte, string.gsub, string.match, string.sub
local ipairs, tonumber, type = ipairs, tonumber, type

local QUOTE = byte('"')

cjson.decode_array_with_array_mt(true)

local _M = {}


local casts = {
  number = tonumber,
  boolean = function(text) return text == "true" end,
}

-- The value that a text of the configuration stands for: itself, or what its type says.
local function typed(text, kind)
  if text == nil then
    return nil
  end
  local encoded = cjson.encode(text)
  if byte(encoded, 1) == QUOTE and byte(encoded, -1) == QUOTE then
    encoded = gsub(sub(encoded, 2, -2), '\\"', '"')
  end
  encoded = gsub(encoded, "\\/", "/")
  local cast = casts[kind]
  if cast then
    return cast(encoded)
  end
  return encoded
end


-- Calls `act` with name and typed value of each "name:value" of a list.
local function each(section, act)
  for i, pair in ipairs(section.json or {}) do
    local name, text = match(pair, "^([^:]+):*(.-)$")
    act(name, typed(text ~= "" and text or nil, section.json_types and section.json_types[i]), text)
  end
end


-- The body with the rules of a configuration applied; nil and why not where it is no JSON.
function _M.transform_json_body(conf, body)
  local fields = cjson.decode(body)
  if type(fields) ~= "table" then
    return nil, "failed parsing json body"
  end

  each(conf.remove, function(name)
    fields[name] = nil
  end)
  each(conf.rename, function(name, _, new)
    if fields[name] ~= nil and new ~= "" then
      fields[new], fields[name] = fields[name], nil
    end
  end)
  each(conf.replace, function(name, value)
    if fields[name] and value ~= nil then
      fields[name] = value
    end
  end)
  each(conf.add, function(name, value)
    if not fields[name] and value ~= nil then
      fields[name] = value
    end
  end)
  each(conf.append, function(name, value)
    if value ~= nil then
      fields[name] = rules.append(fields[name], value)
    end
  end)
  return cjson.encode(fields)
end


return _M
