-- Transforming request bodies: JSON objects, forms, multipart forms.

local multipart = require "multipart"
local rules_of = require "kong.plugins.request-transformer.rules"
local tools_cjson = require "kong.tools.cjson"

local kong, ngx = kong, ngx
local assert, find, ipairs, lower, type = assert, string.find, ipairs, string.lower, type

local JSON, MULTIPART, FORM = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"

local _M = {}


-- Which of the three kinds a content type is of; nil for any other.
function _M.kind_of(content_type)
  content_type = content_type and lower(content_type)
  for _, kind in ipairs { JSON, MULTIPART, FORM } do
    if content_type and find(content_type, kind, 1, true) then
      return kind
    end
  end
end

_M.FORM = FORM

local transform = {}

transform[JSON] = function(rules, body, environment)
  local has_content = body ~= nil and body ~= ""
  local fields = has_content and tools_cjson.decode_with_array_mt(body)
  if has_content and type(fields) ~= "table" then
    return nil
  end
  fields = fields or {}
  if rules_of.apply(rules, fields, environment, has_content) then
    return assert(tools_cjson.encode(fields))
  end
end

transform[FORM] = function(rules, body, environment)
  local fields = body and ngx.decode_args(body) or {}
  if rules_of.apply(rules, fields, environment, body ~= nil and body ~= "") then
    return ngx.encode_args(fields)
  end
end

-- Parts with a single value look like fields of a map: reading gives the text, writing makes a part.
local function as_map(parts)
  return setmetatable({}, {
    __index = function(_, name)
      local part = parts:get(name)
      return part and part.value
    end,
    __newindex = function(_, name, value)
      parts:delete(name)
      if value ~= nil then
        parts:set_simple(name, value)
      end
    end,
  })
end

transform[MULTIPART] = function(rules, body, environment, content_type)
  local parts = multipart(body or "", content_type)
  local without_append = setmetatable({ append = {} }, { __index = rules })
  if rules_of.apply(without_append, as_map(parts), environment, body ~= nil and body ~= "") then
    return parts:tostring()
  end
end


-- Applies the rules for bodies, if there are any and the body is of a kind they apply to.
function _M.transform(rules, environment)
  if not rules.any then
    return
  end
  local content_type = kong.request.get_header("content-type")
  local kind = _M.kind_of(content_type)
  if not kind then
    return
  end
  local body, err = kong.request.get_raw_body()
  if err then
    kong.log.warn(err)
  end
  local transformed = transform[kind](rules, body, environment, content_type)
  if transformed then
    kong.service.request.set_raw_body(transformed)
    kong.service.request.set_header("content-length", #transformed)
  end
end


return _M
