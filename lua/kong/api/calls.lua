--- A call to the Admin API as handlers see it: the `self` that they are given, and what becomes of what they
-- return.

local api_helpers = require "kong.api.api_helpers"
local cjson = require "cjson.safe"
local http = require "kong.tools.http"
local multipart = require "multipart"

local find, gmatch, lower, pairs, tostring, type =
  string.find, string.gmatch, string.lower, pairs, tostring, type

local MAX_ARGUMENTS = 1000
local WITH_BODY = { PUT = true, POST = true, PATCH = true }

local _M = {}


local function merge(into, values)
  for name, value in pairs(values or {}) do
    into[name] = value
  end
  return into
end


-- The parameters of a form body.
local function form_params(content_type)
  ngx.req.read_body()
  if find(content_type, "application/x-www-form-urlencode", 1, true) then
    return (ngx.req.get_post_args(MAX_ARGUMENTS))
  elseif find(content_type, "multipart/form-data", 1, true) then
    local data = ngx.req.get_body_data()
    return data and multipart(data, ngx.var.http_content_type):get_all()
  end
end


-- The parameters of a JSON body; ends the call where it is none.
local function json_params(call)
  ngx.req.read_body()
  local data = ngx.req.get_body_data()
  local tree = data and cjson.decode(data)
  if type(tree) ~= "table" then
    return WITH_BODY[call.req.method] and kong.response.exit(400, { message = "Cannot parse JSON body" })
  end
  call.json = tree
  return tree
end


local function path_params(pattern, values)
  local params, at = {}, 0
  for name in gmatch(pattern, "/:([^/]+)") do
    at = at + 1
    params[name] = values[at]
  end
  return params
end


local function read_params(call, content_type)
  local is_json = find(content_type, "application/json", 1, true)
  if is_json then
    return merge(call.params, json_params(call) or nil)
  end
  local params = merge(call.params, form_params(content_type))
  call.req.params_post = params
  if WITH_BODY[call.req.method] and find(content_type, "application/x-www-form-urlencode", 1, true) then
    params = http.decode_args(params)
  end
  return api_helpers.normalize_nested_params(params)
end


--- The `self` of a handler: `params`, `req`, `route_name`, `json`.
function _M.new(pattern, values)
  local headers = ngx.req.get_headers(MAX_ARGUMENTS)
  local query = ngx.req.get_uri_args(MAX_ARGUMENTS)
  local call = {
    route_name = pattern,
    errors = {},
    options = {},
    req = {
      method = ngx.req.get_method(), cmd_mth = ngx.req.get_method(), cmd_url = ngx.var.request_uri,
      headers = headers, params_get = query, params_post = {},
      scheme = ngx.var.scheme, port = ngx.var.server_port, srv = ngx.var.server_addr, relpath = ngx.var.uri,
      parsed_url = { scheme = ngx.var.scheme, path = ngx.var.uri, host = ngx.var.host,
                     query = ngx.var.args, port = ngx.var.server_port },
    },
    res = { headers = {} },
    params = merge({}, query),
  }
  call.params = read_params(call, lower(ngx.var.http_content_type or ""))
  merge(call.params, path_params(pattern, values))
  return call
end


--- Answers with what a handler returned: nothing, text, or a table with `status` and `json`.
function _M.finish(result)
  if result == nil and ngx.status ~= 0 then
    return
  elseif type(result) == "table" then
    return kong.response.exit(result.status or 200, result.json or result[1])
  end
  return kong.response.exit(200, result ~= nil and tostring(result) or "", { ["Content-Type"] = "text/html" })
end


return _M
