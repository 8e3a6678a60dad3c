-- azure-functions: has a function at Azure answer in place of the upstream.

local fit_headers = require("kong.tools.functions").fit_headers
local http = require "resty.http"
local kong_meta = require "kong.meta"

local kong = kong
local match = string.match

local AzureFunctions = {
  VERSION = kong_meta.version,
  PRIORITY = 749,
}


-- A part of a path, with one slash before it.
local function segment(text)
  local inner = match(text or "", "^/*(.-)/*$")
  return inner ~= "" and "/" .. inner or ""
end


local function path_of(conf)
  local path = segment(conf.routeprefix) .. segment(conf.functionname)
  return path ~= "" and path or "/"
end


local function headers_of(conf)
  local headers = kong.request.get_headers()
  headers.host = nil
  headers["x-functions-key"], headers["x-functions-clientid"] = conf.apikey, conf.clientid
  return headers
end


function AzureFunctions:access(conf)
  local host = conf.appname .. "." .. conf.hostdomain
  local uri = conf.https and "https://" .. host .. ":443" or "http://" .. host .. ":80"
  local client = http.new()
  client:set_timeout(conf.timeout)
  local response, err = client:request_uri(uri, {
    method = kong.request.get_method(),
    path = path_of(conf),
    query = kong.request.get_query(),
    headers = headers_of(conf),
    body = kong.request.get_raw_body(),
    ssl_verify = conf.https_verify,
    keepalive_timeout = conf.keepalive,
  })
  if not response then
    kong.log.err(err)
    return kong.response.exit(500, { message = "An unexpected error occurred" })
  end
  return kong.response.exit(response.status, response.body, fit_headers(response.headers))
end


return AzureFunctions
