-- HTTP on the level of plugins: names, arguments, content negotiation, error bodies.

local string_tools = require "kong.tools.string"

local error, ipairs, pairs, setmetatable, tonumber, tostring, type =
  error, ipairs, pairs, setmetatable, tonumber, tostring, type
local byte, find, fmt = string.byte, string.find, string.format
local gsub, lower, match = string.gsub, string.lower, string.match
local concat, sort = table.concat, table.sort
local parse_http_time, time = ngx.parse_http_time, ngx.time
local split, strip = string_tools.split, string_tools.strip

local _M = {}


-- ---- arguments ------------------------------------------------------------------------------

local function escape(text)
  return (gsub(text, "[^%w_]", function(char) return fmt("%%%02x", byte(char)) end))
end

-- Numbers first, then text, each in order.
local function before(a, b)
  if type(a) == type(b) then
    return a < b
  end
  return type(a) == "number"
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  sort(keys, before)
  return keys
end

local function pair(name, value, raw)
  if raw then
    return value == nil and name or name .. "=" .. value
  end
  return value == nil and escape(name) or escape(name) .. "=" .. escape(tostring(value))
end

local function nested(name, map, raw, without_index, out)
  for _, key in ipairs(sorted_keys(map)) do
    local inner
    if type(key) == "number" then
      inner = without_index and name .. "[]" or name .. "[" .. key .. "]"
    else
      inner = name .. "." .. tostring(key)
    end
    local value = map[key]
    if type(value) == "table" then
      nested(inner, value, raw, without_index, out)
    else
      out[#out + 1] = pair(inner, raw and tostring(value) or value, raw)
    end
  end
end

-- Arguments as a query string, ordered by name: a nested table as `a.b` or `a[1]`, or `a[]` without
-- indexes; names and values as they are when `raw`.
function _M.encode_args(args, raw, no_array_indexes)
  local out = {}
  for _, key in ipairs(sorted_keys(args)) do
    local value = args[key]
    if type(value) == "table" then
      nested(key, value, raw, no_array_indexes, out)
    elseif value == ngx.null then
      out[#out + 1] = pair(tostring(key), "")
    elseif tostring(value) == "" then
      out[#out + 1] = tostring(key)
    else
      out[#out + 1] = pair(tostring(key), tostring(value), raw)
    end
  end
  return concat(out, "&")
end


-- The list in a table whose keys are 1..n, as numbers or text; nil for any other table.
local function as_list(map)
  local list, count = {}, 0
  for key in pairs(map) do
    if not tonumber(key) then
      return nil
    end
    count = count + 1
  end
  for i = 1, count do
    list[i] = map[tostring(i)] or map[i]
    if list[i] == nil then
      return nil
    end
  end
  return list
end

-- Arguments with the types their text suggests: null for "", booleans, lists.
function _M.decode_args(args)
  local decoded = {}
  for name, value in pairs(args) do
    if type(value) == "table" then
      decoded[name] = as_list(value) or value
    elseif value == "" then
      decoded[name] = ngx.null
    elseif value == "true" or value == "false" then
      decoded[name] = value == "true"
    else
      decoded[name] = value
    end
  end
  return decoded
end


-- ---- names ----------------------------------------------------------------------------------

-- A token of RFC 9110, or nil and why not.
function _M.validate_http_token(token)
  if token == nil or token == "" then
    return nil, "no token provided"
  elseif find(token, "[%c\128-\255 ()<>@,;:\\\"/?={}%[%]]") then
    return nil, "contains one or more invalid characters. ASCII control characters (0-31;127), space, "
                .. "tab and the characters ()<>@,;:\\\"/?={}[] are not allowed."
  end
  return token
end

_M.validate_cookie_name = _M.validate_http_token


-- A header name, or nil and why not.
function _M.validate_header_name(name)
  if name == nil or name == "" then
    return nil, "no header name provided"
  elseif not find(name, "^[%w_-]+$") then
    return nil, "bad header name '" .. name .. "', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
  end
  return name
end


-- ---- requests -------------------------------------------------------------------------------

-- Whether the client speaks https: to us, or, if asked, to a trusted peer that says so.
function _M.check_https(trusted_ip, allow_terminated)
  if lower(ngx.var.scheme) == "https" then
    return true
  elseif not allow_terminated or not trusted_ip then
    return false
  end
  local scheme = ngx.var.http_x_forwarded_proto
  if not scheme then
    return false
  elseif find(scheme, ",", 1, true) then
    return nil, "Only one X-Forwarded-Proto header allowed"
  end
  return lower(scheme) == "https"
end


-- The first value of a request header. With a context, headers are read once and kept in it.
function _M.get_header(name, ctx)
  if not ctx then
    return require("kong.host").request_header(name)
  end
  local headers = ctx.cached_request_headers
  if not headers then
    headers = ngx.req.get_headers()
    ctx.cached_request_headers = headers
  end
  local value = headers[name]
  return type(value) == "table" and value[1] or value
end


-- ---- bodies ---------------------------------------------------------------------------------

local ALWAYS = { [405] = "Method not allowed", [500] = "An unexpected error occurred", [502] = "Bad gateway" }
local OTHERWISE = { [401] = "Unauthorized", [404] = "Not found", [503] = "Service unavailable" }

-- The body of a response that was given none: a table with a message, or nil.
function _M.get_default_exit_body(status, message)
  if type(status) ~= "number" then
    error("code must be a number", 2)
  elseif status < 100 or status > 599 then
    error("code must be a number between 100 and 599", 2)
  elseif status == 204 then
    return nil
  end
  local body = ALWAYS[status] or message or OTHERWISE[status]
  if body == nil or type(body) == "table" then
    return body
  end
  return { message = body }
end


local JSON, PLAIN = "application/json; charset=utf-8", "text/plain; charset=utf-8"
local MIME_TYPES = {
  ["application/json"] = JSON, application = JSON, default = JSON,
  ["text/plain"] = PLAIN, text = PLAIN,
  ["text/html"] = "text/html; charset=utf-8",
  ["application/xml"] = "application/xml; charset=utf-8",
  ["application/grpc"] = "",
}
local FORMATS = {
  json = "application/json",
  html = "text/html",
  xml = "application/xml",
  plain = "text/plain",
}

-- The content type to answer with for one media type of an Accept field; JSON for one we do not
-- know, unless the second argument is false.
function _M.get_mime_type(content_header, use_default)
  local media = split(strip(content_header), ";")[1] or ""
  local main, sub = match(media, "^([^/]*)/([^/]*)")
  local known
  if sub == "*" then
    known = MIME_TYPES[main == "*" and "default" or main]
  elseif main then
    known = MIME_TYPES[media]
  end

  if known then
    return known
  elseif use_default == false then
    return nil, "could not find MIME type"
  end
  return MIME_TYPES.default
end


local PART = "[%w][%w!#$&^_+.-]+"
local RANGES = { "^(" .. PART .. "/" .. PART .. ")(.*)$", "^(" .. PART .. "/%*)(.*)$",
                 "^(%*/" .. PART .. ")(.*)$", "^(%*/%*)(.*)$" }

-- The media range that an item of an Accept field begins with, and what follows.
local function media_range(item)
  for i = 1, #RANGES do
    local range, rest = match(item, RANGES[i])
    if range then
      return range, rest
    end
  end
end

-- The weight among an item's parameters; 1 without one.
local function weight(parameters)
  local q = 1
  while true do
    local rest = match(parameters, "^%s*;%s*(.*)$")
    if not rest then
      return q
    end
    local value = match(rest, "^[qQ]=(1%.?0?0?0?)") or match(rest, "^[qQ]=(0%.?%d?%d?%d?)")
    if value then
      q, parameters = tonumber(value), gsub(rest, "^[qQ]=[01]%.?%d?%d?%d?", "")
    else
      local after = match(rest, "^" .. PART .. "=[^;]*(.*)$") or match(rest, "^" .. PART .. "(.*)$")
      if not after then
        return q
      end
      parameters = after
    end
  end
end

-- The content type to answer with for an Accept field: its heaviest range, the first among equals.
function _M.get_response_type(accept)
  local chosen, best = MIME_TYPES.default, 0
  if type(accept) == "table" then
    accept = concat(accept, ",")
  end
  for _, item in ipairs(accept and split(accept, ",") or {}) do
    local range, rest = media_range(strip(item))
    local q = range and weight(rest) or 0
    if q > best then
      best, chosen = q, _M.get_mime_type(range) or chosen
    end
  end
  return chosen
end


local TEMPLATES = {
  json = '{\n  "message":"%s",\n  "request_id":"%s"\n}',
  plain = "%s\nrequest_id: %s\n",
  xml = '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>%s</message>\n'
        .. "  <requestid>%s</requestid>\n</error>\n",
  html = '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n'
         .. "  </head>\n  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n"
         .. "  </body>\n</html>\n",
}

-- The template in force for a format, a file named by `error_template_<format>` being read once.
local in_force = {}
local function template(format)
  local text = in_force[format]
  if text then
    return text
  end
  local path = kong.configuration["error_template_" .. format]
  if path then
    local file, err = io.open(path, "rb")
    if file then
      text = file:read("*a")
      file:close()
    else
      ngx.log(ngx.ERR, "failed reading the custom ", format, " error template: ", err)
    end
  end
  in_force[format] = text or TEMPLATES[format]
  return in_force[format]
end

-- The template of an error body in a content type: two %s, for message and request id.
function _M.get_error_template(mime_type)
  for format, media in pairs(FORMATS) do
    if mime_type == media or mime_type == MIME_TYPES[media] then
      return template(format)
    end
  end
  if mime_type == "application/grpc" or mime_type == "" then
    return ""
  end
  return nil, "no template found for MIME type " .. (mime_type or "empty")
end


-- ---- caching --------------------------------------------------------------------------------

local NO_DIRECTIVES = setmetatable({}, {
  __newindex = function()
    error("attempt to update a read-only table", 2)
  end,
})

-- The directives of a Cache-Control field: numbers, text, or true for those without a value.
function _M.parse_directive_header(field)
  if field == nil then
    return NO_DIRECTIVES
  end
  local directives = {}
  if type(field) == "table" then
    field = concat(field, ", ")
  end
  for directive in string.gmatch(field, "[^,]+") do
    local name, value = match(directive, "^%s*([^=]+)=(.+)$")
    if not name then
      name = match(directive, "^%s*([^=]+)")
    end
    if name then
      directives[lower(name)] = tonumber(value) or value or true
    end
  end
  return directives
end


-- For how many seconds a response may be kept, by its Cache-Control directives or Expires field.
function _M.calculate_resource_ttl(directives)
  local age = directives and (directives["s-maxage"] or directives["max-age"])
  if not age then
    local expires = ngx.var.sent_http_expires
    if type(expires) == "table" then
      expires = expires[#expires]
    end
    local at = parse_http_time(tostring(expires))
    age = at and at - time()
  end
  return age and age > 0 and age or 0
end


return _M
