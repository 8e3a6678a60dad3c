local http = require "kong.tools.http"
local template = require "kong.plugins.request-transformer.template"
local typedefs = require "kong.db.schema.typedefs"

local function split(pair)
  return pair:match("^([^:]+):*(.-)$")
end

local function check_name(name)
  if http.validate_header_name(name) == nil then
    return nil, ("'%s' is not a valid header"):format(tostring(name))
  end
  return true
end

local function check_header(pair)
  return check_name((split(pair)))
end

local function check_header_rename(pair)
  local name, new = split(pair)
  local ok, err = check_name(name)
  if not ok then
    return nil, err
  end
  return check_name(new)
end

local function check_value(pair)
  local name, value = split(pair)
  if not name or not value or value == "" then
    return false, "key '" .. tostring(name) .. "' has no value"
  end
  local render, err = template.compile(value)
  if not render then
    return false, "value '" .. value .. "' is not in supported format, error:" .. err
  end
  return true
end

local function list(element)
  element.type = "string"
  return { type = "array", required = true, default = {}, elements = element }
end

local PAIR = "^[^:]+:.*$"

-- A record with a list for each part of a request; `extra` is a further field.
local function parts(body, headers, querystring, extra)
  return {
    type = "record",
    fields = {
      { body = list(body) },
      { headers = list(headers) },
      { querystring = list(querystring) },
      extra,
    },
  }
end

local function values(extra)
  return parts({ custom_validator = check_value }, { match = PAIR, custom_validator = check_header },
               { custom_validator = check_value }, extra)
end

local rename = parts({ custom_validator = check_value },
                     { match = PAIR, custom_validator = check_header_rename },
                     { custom_validator = check_value })

local config = {
  type = "record",
  fields = {
    { http_method = typedefs.http_method },
    { remove = parts({}, { custom_validator = check_header }, {}) },
    { rename = rename },
    { replace = values({ uri = { type = "string" } }) },
    { add = values() },
    { append = values() },
  },
}

return {
  name = "request-transformer",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
