-- Changing response headers, and telling which bodies can be changed.

local mime_type = require "kong.tools.mime_type"
local string_tools = require "kong.tools.string"

local kong = kong
local ipairs, match, next, type = ipairs, string.match, next, type

local ACTIONS = { "remove", "rename", "replace", "add", "append" }
local JSON = { type = "application", subtype = "json" }

local _M = {}


-- Calls `act` with name and value of each "name:value" of a list; nil for a value that is missing.
local function each_pair(list, act)
  for _, pair in ipairs(type(list) == "table" and list or {}) do
    local name, value = match(pair, "^([^:]+):*(.-)$")
    act(name, value ~= "" and value or nil)
  end
end


-- Whether a Content-Type names JSON, or a type with the suffix "+json".
function _M.is_json_body(content_type)
  for _, item in ipairs(content_type and string_tools.split(content_type, ",") or {}) do
    local main, subtype = mime_type.parse_mime_type(string_tools.strip(item))
    if subtype and mime_type.includes(JSON, { type = main, subtype = subtype }) then
      return true
    end
  end
  return false
end


-- Whether the configuration changes bodies.
function _M.is_body_transform_set(conf)
  for _, action in ipairs(ACTIONS) do
    if next(conf[action].json) ~= nil then
      return true
    end
  end
  return false
end


-- Applies the rules for headers. What is there is judged by `headers`, the response's headers as
-- they were before.
function _M.transform_headers(conf, headers)
  local response = kong.response

  each_pair(conf.remove.headers, function(name)
    response.clear_header(name)
  end)
  each_pair(conf.rename.headers, function(name, new)
    local value = headers[name]
    if value ~= nil and new then
      response.set_header(new, value)
      response.clear_header(name)
    end
  end)
  each_pair(conf.replace.headers, function(name, value)
    if value and headers[name] ~= nil then
      response.set_header(name, value)
    end
  end)
  each_pair(conf.add.headers, function(name, value)
    if value and headers[name] == nil then
      response.set_header(name, value)
    end
  end)
  each_pair(conf.append.headers, function(name, value)
    response.add_header(name, value)
  end)

  if _M.is_body_transform_set(conf) and _M.is_json_body(headers["Content-Type"]) then
    response.clear_header("Content-Length")
  end
end


return _M
