-- What functions get of a request, and what they answer.

local cjson = require "cjson.safe"
local request_id = require("kong.observability.tracing.request_id").get

local kong, ngx = kong, ngx
local date, find, floor, io_open, match =
  os.date, string.find, math.floor, io.open, string.match
local getmetatable, next, pairs, setmetatable, tonumber, type =
  getmetatable, next, pairs, setmetatable, tonumber, type

-- Types whose bodies are text.
local TEXTS = { ["text/plain"] = true, ["text/html"] = true, ["application/xml"] = true, ["text/xml"] = true,
                ["application/soap+xml"] = true }

local _M = {}


-- ---- requests -------------------------------------------------------------------------------

local function read_body(skips_large)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local path = not body and ngx.req.get_body_file()
  if not path then
    return body
  elseif skips_large then
    ngx.log(ngx.ERR, "request body was buffered to disk, too large")
    return nil
  end
  local file = io_open(path, "rb")
  body = file and file:read("*a")
  if file then
    file:close()
  end
  return body
end


-- The first of each value, and lists of all, by name.
local function one_and_all(values)
  local all = {}
  for name, value in pairs(values) do
    all[name] = type(value) == "table" and value or { value }
    values[name] = all[name][1]
  end
  return values, all
end


local function named_captures(captures)
  local named = {}
  for name, value in pairs(captures or {}) do
    if type(name) == "string" then
      named[name] = value
    end
  end
  return named
end


local function context_of(var, path, headers)
  local version, start = ngx.req.http_version(), ngx.req.start_time()
  return {
    path = path, resourcePath = path,
    protocol = version and "HTTP/" .. version,
    httpMethod = var.request_method,
    domainName = var.host, domainPrefix = match(var.host, "^[^.]*"),
    identity = { sourceIp = var.realip_remote_addr or var.remote_addr, userAgent = headers["user-agent"] },
    requestId = request_id(),
    requestTime = date("!%d/%b/%Y:%H:%M:%S +0000", floor(start)),
    requestTimeEpoch = start * 1000,
  }
end


local function wanted(config, name)
  return not config or config[name] == nil or config[name]
end


-- The request as Amazon's API gateway gives it to a function (payload format 1.0).
function _M.aws_serializer(ctx, config)
  ctx = ctx or ngx.ctx
  local var, matches = ngx.var, ctx.router_matches
  local headers, all_headers = one_and_all(ngx.req.get_headers())
  local query, all_query = one_and_all(ngx.req.get_uri_args())
  local body = read_body(wanted(config, "skip_large_bodies"))
  local is_encoded = body ~= "" and wanted(config, "base64_encode_body") and true or false
  if is_encoded then
    body = ngx.encode_base64(body or "")
  end
  local path = match(var.upstream_uri or var.request_uri, "^[^?]+")
  return {
    version = "1.0", resource = matches.uri, path = path, httpMethod = var.request_method,
    headers = headers, multiValueHeaders = all_headers,
    pathParameters = named_captures(matches.uri_captures),
    queryStringParameters = query, multiValueQueryStringParameters = all_query,
    body = body, isBase64Encoded = is_encoded,
    requestContext = context_of(var, path, headers),
  }
end


local function add_body(conf, payload)
  local raw = read_body(conf.skip_large_bodies)
  local arguments, err = kong.request.get_body()
  if err and find(err, "content type", 1, true) then
    arguments = {}
    if conf.base64_encode_body and not TEXTS[kong.request.get_header("content-type")] then
      raw, payload.request_body_base64 = ngx.encode_base64(raw or ""), true
    end
  end
  payload.request_body, payload.request_body_args = raw, arguments
end


local function chosen_parts(conf)
  local payload, request = {}, kong.request
  if conf.forward_request_method then
    payload.request_method = request.get_method()
  end
  if conf.forward_request_headers then
    payload.request_headers = request.get_headers()
  end
  if conf.forward_request_uri then
    payload.request_uri, payload.request_uri_args = request.get_path_with_query(), request.get_query()
  end
  if conf.forward_request_body then
    add_body(conf, payload)
  end
  return payload
end


-- The JSON that a function gets.
function _M.build_request_payload(conf)
  local payload
  if conf.awsgateway_compatible then
    payload = _M.aws_serializer(ngx.ctx, conf)
  elseif conf.forward_request_body or conf.forward_request_headers or conf.forward_request_method
         or conf.forward_request_uri then
    payload = chosen_parts(conf)
  else
    payload = kong.table.merge(kong.request.get_query(), (kong.request.get_body()))
  end
  local text, err = cjson.encode(payload)
  if not text then
    kong.log.err("could not JSON encode upstream body to forward request values: ", err)
  end
  return text
end


-- ---- responses ------------------------------------------------------------------------------

-- A status code as a number; false for what is none.
function _M.validate_http_status_code(status)
  status = tonumber(status)
  return status and status >= 100 and status <= 599 and status or false
end


local FIELDS = { { "headers", "table", "headers must be a table" },
                 { "body", "string", "body must be a string" },
                 { "isBase64Encoded", "boolean", "isBase64Encoded must be a boolean" } }

function _M.validate_custom_response(response)
  if not _M.validate_http_status_code(response.statusCode) then
    return nil, "statusCode validation failed"
  end
  for _, field in pairs(FIELDS) do
    local value = response[field[1]]
    if value ~= nil and type(value) ~= field[2] then
      return nil, field[3]
    end
  end
  return true
end


-- Status, headers and body that a function answered; nil and what is wrong with the answer.
function _M.extract_proxy_response(content)
  local response, err = content, "proxy response must be json format"
  if type(content) == "string" then
    response, err = cjson.decode(content)
  end
  if type(response) ~= "table" then
    return nil, err or "proxy response must be json format"
  end
  local ok
  ok, err = _M.validate_custom_response(response)
  if not ok then
    return nil, err
  end
  local headers, body = response.headers or {}, response.body or ""
  if response.isBase64Encoded then
    body = ngx.decode_base64(body) or ""
  end
  local several = response.multiValueHeaders
  for name, values in pairs(type(several) == "table" and several or {}) do
    headers[name] = values
  end
  headers["Content-Length"] = #body
  return { status_code = tonumber(response.statusCode), headers = headers, body = body }
end


-- Lets empty arrays be written as objects, all the way down.
function _M.remove_array_mt_for_empty_table(value)
  if type(value) ~= "table" then
    return value
  elseif next(value) == nil and getmetatable(value) == cjson.array_mt then
    setmetatable(value, nil)
  end
  for _, item in pairs(value) do
    _M.remove_array_mt_for_empty_table(item)
  end
  return value
end


return _M
