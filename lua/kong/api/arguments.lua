--- Arguments of a call to the Admin API, with the types that a schema gives them.

local cjson = require "cjson.safe"
local decoding = require "kong.api.decoding"
local multipart = require "multipart"

local null = ngx.null
local find, ipairs, lower, next, pairs, rawget, setmetatable, tonumber, type =
  string.find, ipairs, string.lower, next, pairs, rawget, setmetatable, tonumber, type

local MAX_ARGUMENTS = 1000

local _M = {}
local infer


-- ---- types ----------------------------------------------------------------------------------

local function infer_each(values, field_of)
  for key, value in pairs(values) do
    values[key] = _M.infer_value(value, field_of(key))
  end
  return values
end


local function record_fields(field)
  local fields = {}
  for _, list in ipairs { field.fields or {}, field.shorthand_fields or {} } do
    for _, entry in ipairs(list) do
      local name, attributes = next(entry)
      fields[name] = attributes
    end
  end
  return fields
end


-- What text means in a field of a type.
local BY_TYPE = {
  number = function(value) return tonumber(value) or value end,
  boolean = function(value)
    if value == "true" or value == "false" then
      return value == "true"
    end
    return value
  end,
  array = function(value, field)
    local list = type(value) == "table" and value or { value }
    return infer_each(list, function() return field.elements end)
  end,
  map = function(value, field)
    return type(value) == "table" and infer_each(value, function() return field.values end) or value
  end,
  foreign = function(value, field)
    return type(value) == "table" and infer(value, field.schema) or value
  end,
  record = function(value, field)
    if type(value) ~= "table" or field.abstract then
      return value
    end
    local fields = record_fields(field)
    return infer_each(value, function(name) return fields[name] end)
  end,
}
BY_TYPE.integer, BY_TYPE.set = BY_TYPE.number, BY_TYPE.array


--- A value with the type of its field; an empty text is null.
function _M.infer_value(value, field)
  if not value or type(field) ~= "table" then
    return value
  elseif value == "" or value == null then
    return null
  end
  local as_type = BY_TYPE[field.type]
  if as_type then
    return as_type(value, field)
  end
  return value
end


function infer(arguments, schema)
  if not arguments or not schema then
    return arguments
  end
  for name, field in schema:each_field(arguments) do
    arguments[name] = _M.infer_value(arguments[name], field)
  end
  for _, shorthand in ipairs(schema.shorthand_fields or {}) do
    local name, field = next(shorthand)
    arguments[name] = _M.infer_value(arguments[name], field)
  end
  if schema.ttl == true and arguments.ttl then
    arguments.ttl = tonumber(arguments.ttl) or arguments.ttl
  end
  return arguments
end

_M._infer = infer


--- Arguments as a tree, with the types of a schema.
function _M.decode(arguments, schema)
  if type(arguments) ~= "table" then
    return infer({}, schema)
  end
  return infer(decoding.nested(arguments), schema)
end


-- ---- the request ----------------------------------------------------------------------------

local function refuse_truncated(err)
  if err == "truncated" then
    return kong.response.exit(400, { message = "Too many arguments" })
  end
end


local function body_data()
  ngx.req.read_body()
  return ngx.req.get_body_data()
end


-- Raw arguments of the body by the media type, and whether they are text.
local BODIES = {
  ["application/x-www-form-urlencoded"] = function()
    ngx.req.read_body()
    local arguments, err = ngx.req.get_post_args(MAX_ARGUMENTS)
    refuse_truncated(err)
    return arguments, true
  end,
  ["application/json"] = function()
    local text = body_data()
    local tree = text and cjson.decode(text)
    return type(tree) == "table" and tree or {}, false
  end,
  ["multipart/form-data"] = function(content_type)
    return multipart(body_data(), content_type):get_all(), true
  end,
}


-- Arguments of the body, where it is of a kind that has them.
local function body_arguments()
  local content_type = ngx.var.http_content_type
  for media_type, read in pairs(content_type and BODIES or {}) do
    if find(lower(content_type), media_type, 1, true) == 1 then
      return read(content_type)
    end
  end
end


local mt = {
  __index = function(self, name)
    local value = rawget(self, "post")[name]
    if value == nil then
      value = rawget(self, "uri")[name]
    end
    return value
  end,
}


--- The arguments of the current request: `uri` and `post`.
-- @param options `schema` gives types; `decode` set to false leaves the arguments as they were sent
function _M.load(options)
  options = options or {}
  local uri, err = ngx.req.get_uri_args(MAX_ARGUMENTS)
  refuse_truncated(err)
  local post, is_text = body_arguments()
  local arguments = setmetatable({ uri = uri, post = post or {} }, mt)
  if not post then
    arguments.body = body_data()
  end
  if options.decode == false then
    return arguments
  end
  arguments.uri = _M.decode(uri, options.schema)
  if is_text then
    arguments.post = _M.decode(post, options.schema)
  end
  return arguments
end


return _M
