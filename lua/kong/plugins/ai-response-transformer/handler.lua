-- ai-response-transformer: a language model transforms the body of a response.
--
-- The service is asked on the side, since a response's own phases cannot wait for a model.

local context = require "kong.llm.context"
local http = require "resty.http"
local inflate_gzip = require("kong.tools.gzip").inflate_gzip
local kong_meta = require "kong.meta"
local transformer = require "kong.llm.transformer"

local kong, ngx = kong, ngx
local pairs, sub = pairs, string.sub

local DEFAULT_TIMEOUT = 60000

local AiResponseTransformer = {
  VERSION = kong_meta.version,
  PRIORITY = 768,
}


local function path_of(var)
  if var.is_args == "?" or sub(var.request_uri, -1) == "?" then
    return var.upstream_uri .. "?" .. (var.args or "")
  end
  return var.upstream_uri
end


-- The client's headers, less those that tell of a body's framing.
local function headers_of(var)
  local headers = kong.request.get_headers()
  headers["transfer-encoding"], headers["content-length"] = nil, nil
  headers.host = var.upstream_host ~= "" and var.upstream_host or nil
  return headers
end


-- Asks the service; nil and an error.
local function ask_service(body, http_opts)
  local var, target, client = ngx.var, ngx.ctx.balancer_data, http.new()
  client:set_timeout(http_opts.http_timeout or DEFAULT_TIMEOUT)
  local ok, err = client:connect {
    scheme = var.upstream_scheme, host = target.host, port = target.port,
    proxy_opts = http_opts.proxy_opts,
    ssl_verify = http_opts.https_verify, ssl_server_name = target.host,
  }
  if not ok then
    return nil, "failed to connect to upstream: " .. err
  end
  local response
  response, err = client:request {
    method = kong.request.get_method(), path = path_of(var), headers = headers_of(var), body = body,
  }
  if not response then
    return nil, "subrequest failed: " .. err
  end
  return response
end


-- The body of a response, not encoded; nil and an error.
local function body_of(response)
  local body, err = response:read_body()
  if body and response.headers["Content-Encoding"] == "gzip" then
    return inflate_gzip(body)
  end
  return body, err
end


function AiResponseTransformer:access(conf)
  local model, http_opts = transformer.model(conf), transformer.http_opts(conf)
  local response, err = ask_service(kong.request.get_raw_body(conf.max_request_body_size), http_opts)
  local body
  if response then
    body, err = body_of(response)
  end
  if not body then
    return transformer.fail(500, err)
  end

  body = transformer.transform(model, conf, body, http_opts)
  local headers, status = response.headers, response.status
  headers["Content-Length"], headers["Content-Encoding"], headers["Transfer-Encoding"] = nil, nil, nil
  if conf.parse_llm_response_json_instructions then
    local told
    told, body, status, err = model:parse_json_instructions(body)
    if err then
      return transformer.fail(500, "failed to parse JSON response instructions from AI backend: " .. err)
    end
    for name, value in pairs(told or {}) do
      headers[name] = value
    end
  end
  context.current().response_sent = true
  return kong.response.exit(status, body, headers)
end


return AiResponseTransformer
