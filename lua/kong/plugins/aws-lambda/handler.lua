-- aws-lambda: has a function at AWS answer in place of the upstream.

local cjson = require("cjson.safe").new()
local credentials_of = require("kong.plugins.aws-lambda.credentials").of
local fit_headers = require("kong.tools.functions").fit_headers
local get_updated_now_ms = require("kong.tools.time").get_updated_now_ms
local http = require "resty.http"
local kong_meta = require "kong.meta"
local request_util = require "kong.plugins.aws-lambda.request-util"
local sign = require "kong.plugins.aws-lambda.signature"

local kong, ngx = kong, ngx
local error, find, getenv, lower, type = error, string.find, os.getenv, string.lower, type
local escape_uri = ngx.escape_uri

local REGION = getenv("AWS_REGION") or getenv("AWS_DEFAULT_REGION")

-- An empty array is one, and no object.
cjson.decode_array_with_array_mt(true)

local AwsLambda = {
  VERSION = kong_meta.version,
  PRIORITY = 750,
}


-- ---- calling --------------------------------------------------------------------------------

local function call_of(conf, region)
  local name, query = conf.function_name or "", nil
  if conf.qualifier then
    query = "Qualifier=" .. escape_uri(conf.qualifier)
  end
  return {
    method = "POST", query = query, path = "/2015-03-31/functions/" .. escape_uri(name) .. "/invocations",
    host = conf.host or "lambda." .. region .. ".amazonaws.com",
    body = request_util.build_request_payload(conf) or "",
    headers = {
      ["Content-Type"] = "application/x-amz-json-1.1", ["X-Amz-Invocation-Type"] = conf.invocation_type,
      ["X-Amz-Log-Type"] = conf.log_type,
    },
  }
end


-- Calls the function. An error ends the request.
local function invoke(conf, region)
  local credentials, err = credentials_of(conf, region)
  if not credentials then
    return error(err)
  end
  local call = call_of(conf, region)
  sign(call, credentials, region, "lambda")
  call.headers["Content-Length"] = #call.body

  local client = http.new()
  client:set_timeout(conf.timeout)
  local scheme = conf.disable_https and "http" or "https"
  local response
  response, err = client:request_uri(scheme .. "://" .. call.host .. ":" .. (conf.port or 443), {
    method = call.method, path = call.path, query = call.query, headers = call.headers, body = call.body,
    ssl_verify = false, keepalive_timeout = conf.keepalive,
    proxy_opts = conf.proxy_url and { http_proxy = conf.proxy_url, https_proxy = conf.proxy_url } or nil,
  })
  if not response then
    return error(err)
  end
  return response
end


-- ---- answering ------------------------------------------------------------------------------

local function is_json(content_type)
  if type(content_type) == "table" then
    content_type = content_type[1]
  end
  return type(content_type) == "string" and find(lower(content_type), "application/.*json") ~= nil
end


-- The body, decoded where AWS says that it is JSON.
local function content_of(response)
  if is_json(response.headers["Content-Type"]) then
    return cjson.decode(response.body) or response.body
  end
  return response.body
end


local function status_of(conf, response)
  local failed = response.headers["X-Amz-Function-Error"] == "Unhandled"
  return failed and conf.unhandled_status or response.status
end


local function answer(conf, response)
  local content = content_of(response)
  if response.status >= 400 then
    return error(type(content) == "table" and content.Message or content)
  end
  local status, headers = status_of(conf, response), response.headers
  headers["Content-Length"] = nil
  if conf.is_proxy_integration then
    local custom, err = request_util.extract_proxy_response(content)
    if not custom then
      kong.log.err(err)
      return kong.response.exit(502, {
        message = "Bad Gateway", error = "could not JSON decode Lambda function response: " .. err,
      })
    end
    status, content = custom.status_code, custom.body
    headers = kong.table.merge(headers, custom.headers)
  end
  headers = fit_headers(kong.table.merge(headers))
  if conf.empty_arrays_mode == "legacy" and is_json(headers["Content-Type"]) then
    content = request_util.remove_array_mt_for_empty_table(content)
  end
  return kong.response.exit(status, content, headers)
end


function AwsLambda:access(conf)
  local start = get_updated_now_ms()
  local region = conf.aws_region or REGION
  if not region then
    return error("no region specified")
  end
  local response = invoke(conf, region)
  local waited = get_updated_now_ms() - start
  ngx.ctx.KONG_WAITING_TIME, kong.ctx.plugin.waited = waited, waited
  return answer(conf, response)
end


-- The time that AWS took is not the gateway's.
function AwsLambda:header_filter()
  local ctx = ngx.ctx
  if ctx.KONG_RESPONSE_LATENCY then
    ctx.KONG_RESPONSE_LATENCY = ctx.KONG_RESPONSE_LATENCY - (kong.ctx.plugin.waited or 0)
  end
end


return AwsLambda
