-- What the drivers have in common. A driver is told by a table:
--
--   name              the provider
--   to, from          what translates requests and answers, by route type; streams are `stream/...`
--   format            the name of a model's own format, where a provider has several; the keys of `to` and
--                     `from` then end in it
--   delegate          another driver, for models or requests that speak its format
--   endpoint          the address to ask, for a route type, a model and `{ stream, identity }`
--   keeps_path        whether the address stands for requests that are passed as they are, too
--   headers, query    what else goes into requests to a model
--   log_more          what else logs tell of a model
--   accept_encoding   what the provider may encode answers in
--   clears            response headers that clients do not get
--   identity          who signs in with a cloud: a token or a signature, besides the configured credential
--   verbose           whether a failed translation of a request is told in full
--   names_format      whether it is told with the format
--   no_format         what is said of a route type without a translation

local cjson = require "cjson.safe"
local context = require "kong.llm.context"
local http = require "resty.http"

local error, fmt, gsub, ipairs, match, next, pairs, pcall, tonumber, type =
  error, string.format, string.gsub, ipairs, string.match, next, pairs, pcall, tonumber, type
local PORTS = { http = 80, https = 443 }

local ERR_MODEL = "invalid model parameter"

local _M = {}


-- Fills in the options that the configuration has for every request; returns the same request.
function _M.merge_defaults(request, options)
  if options then
    for _, name in ipairs { "temperature", "max_tokens", "top_p", "top_k" } do
      if options[name] ~= nil then
        request[name] = options[name]
      end
    end
  end
  return request
end


-- ---- formats --------------------------------------------------------------------------------

local function key_of(spec, model, route_type)
  local format = spec.format and spec.format(model)
  return format and route_type .. "/" .. format or route_type
end


local function to_format(spec, request, model, route_type)
  local other = spec.delegate and spec.delegate(model, request)
  if other then
    return other.to_format(request, model, route_type)
  elseif route_type == "preserve" then
    return request
  end
  local key = key_of(spec, model, route_type)
  local translate = spec.to[key]
  if not translate then
    return nil, nil, fmt(spec.no_format or "no transformer for %s://%s", model.provider, key)
  end
  _M.merge_defaults(request, model.options)
  local ok, body, err = pcall(translate, request, model, route_type)
  if not ok or not body then
    local detail = spec.verbose and ": " .. (ok and err or body) or ""
    return nil, nil, fmt("error transforming to %s://%s%s", model.provider,
                         spec.names_format and key or route_type, detail)
  end
  return body, "application/json"
end


local function from_format(spec, response, model, route_type)
  local other = spec.delegate and spec.delegate(model)
  if other then
    return other.from_format(response, model, route_type)
  end
  local key = key_of(spec, model, route_type)
  local translate = spec.from[key]
  if not translate then
    return nil, fmt("no transformer available from format %s://%s", model.provider, key)
  end
  local ok, body, err, counts = pcall(translate, response, model, route_type)
  if not ok then
    body, err = nil, body
  end
  if err then
    return nil, fmt("transformation failed from type %s://%s: %s", model.provider, route_type, err)
  end
  if type(body) == "table" then
    body = cjson.encode(body)
  end
  return body, nil, counts
end


-- ---- requests -------------------------------------------------------------------------------

-- The address to ask: `scheme`, `host`, `port`, `path` and maybe `query`.
local function address_of(spec, route_type, model, how)
  local url = spec.endpoint(route_type, model, how)
  if not url then
    return nil, "no address to ask is known for the model"
  end
  local scheme, authority, path, query = url:match("^(%a[%w+.-]*)://([^/?#]*)([^?#]*)%??([^#]*)")
  if not scheme then
    return nil, "'" .. url .. "' is no address"
  end
  local server = authority:match("@(.*)$") or authority
  local host = server:match("^%[.*%]") or server:match("^[^:]*")
  return {
    scheme = scheme, host = host, port = tonumber(server:sub(#host + 2)) or PORTS[scheme] or 443,
    path = gsub(path, "^/*", "/"), query = query ~= "" and query or nil,
  }
end


-- Headers by which a cloud knows the caller.
local function signed_headers(spec, request, identity)
  if not spec.identity or not identity then
    return {}
  end
  return spec.identity(request, identity)
end


-- Adds the credential to headers or arguments; keeps the client's where that is allowed.
local function authorize(auth, of_client, set_header, arguments)
  if not auth then
    return
  end
  local keeps = auth.allow_override and of_client
  if auth.header_name and auth.header_value and not (keeps and keeps.header(auth.header_name)) then
    set_header(auth.header_name, auth.header_value)
  end
  local name = auth.param_location == "query" and auth.param_name
  if name and auth.param_value and not (keeps and arguments[name] ~= nil) then
    arguments[name] = auth.param_value
  end
end


local function configure_request(spec, conf, identity)
  local model = context.model()
  if model.provider ~= spec.name then
    return nil, ERR_MODEL
  end
  local options = model.options or {}
  local how = { stream = context.current().stream, identity = identity }
  local address, err = address_of(spec, conf.route_type, model, how)
  if not address then
    return nil, err
  end
  if conf.route_type == "preserve" and not options.upstream_path and not spec.keeps_path then
    address.path = kong.request.get_path()
  end

  local upstream = kong.service.request
  upstream.set_path(address.path)
  upstream.set_scheme(address.scheme)
  kong.service.set_target(address.host, address.port)

  for name, value in pairs(spec.headers and spec.headers(model) or {}) do
    upstream.set_header(name, value)
  end
  local arguments = kong.request.get_query()
  for name, value in pairs(spec.query and spec.query(model) or {}) do
    if arguments[name] == nil then
      arguments[name] = value
    end
  end
  authorize(conf.auth, { header = kong.request.get_header }, upstream.set_header, arguments)
  if spec.query or conf.auth and conf.auth.param_location == "query" then
    upstream.set_query(arguments)
  end

  address.method, address.body = "POST", identity and kong.request.get_raw_body() or nil
  local headers, problem = signed_headers(spec, address, identity)
  if not headers then
    return nil, problem
  end
  for name, value in pairs(headers) do
    upstream.set_header(name, value)
  end
  return true
end


-- ---- asking on the side ---------------------------------------------------------------------

local function text_of(body)
  if type(body) == "string" then
    return body
  elseif type(body) ~= "table" then
    return nil, "body must be table or string"
  end
  local text, err = cjson.encode(body)
  if not text then
    return nil, "failed to parse body to json: " .. err
  end
  return text
end


local function ask(address, headers, body, http_opts)
  local client = http.new()
  if http_opts.http_timeout then
    client:set_timeout(http_opts.http_timeout)
  end
  local url = fmt("%s://%s:%d%s", address.scheme, address.host, address.port, address.path)
  return client:request_uri(url, {
    method = "POST", body = body, headers = headers, query = address.query,
    ssl_verify = http_opts.https_verify, proxy_opts = http_opts.proxy_opts,
  })
end


-- Sends a request of its own; returns the answer's body and status, and an error when it is none of success.
local function subrequest(spec, body, conf, http_opts, identity)
  local text, err = text_of(body)
  if not text then
    return nil, nil, err
  end
  local address
  address, err = address_of(spec, conf.route_type, conf.model, { stream = false, identity = identity })
  if not address then
    return nil, nil, err
  end

  local headers = { Accept = "application/json", ["Content-Type"] = "application/json" }
  for name, value in pairs(spec.headers and spec.headers(conf.model) or {}) do
    headers[name] = value
  end
  local arguments = not address.query and spec.query and spec.query(conf.model) or {}
  authorize(conf.auth, nil, function(name, value)
    headers[name] = value
  end, arguments)
  if next(arguments) then
    address.query = (address.query and address.query .. "&" or "") .. ngx.encode_args(arguments)
  end
  address.method, address.body = "POST", text
  local signed, problem = signed_headers(spec, address, identity)
  if not signed then
    return nil, nil, problem
  end
  for name, value in pairs(signed) do
    headers[name] = value
  end

  local response
  response, err = ask(address, headers, text, http_opts)
  if not response then
    return nil, nil, "request to ai service failed: request failed: " .. err
  elseif response.status > 299 then
    return response.body, response.status, "status code " .. response.status
  end
  return response.body, response.status
end


-- ---- drivers --------------------------------------------------------------------------------

-- The driver that `spec` tells of.
function _M.define(spec)
  if not spec.name or not spec.endpoint then
    error("a driver has a name and an endpoint", 2)
  end
  local driver = { NAME = spec.name }

  -- A request in the provider's format, and its content type; nil, nil and an error.
  function driver.to_format(request, model, route_type)
    return to_format(spec, request, model, route_type)
  end

  -- An answer as JSON in OpenAI's format, nothing, and counts of an event; nil and an error.
  function driver.from_format(response, model, route_type)
    return from_format(spec, response, model, route_type)
  end

  -- Prepares the request that is proxied; nil and an error.
  function driver.pre_request(conf)
    if spec.accept_encoding then
      kong.service.request.set_header("Accept-Encoding", spec.accept_encoding)
    end
    if spec.log_more and conf.logging and conf.logging.log_statistics then
      kong.ctx.plugin.ai_extra_meta = spec.log_more(context.model())
    end
    return true
  end

  function driver.configure_request(conf, identity)
    return configure_request(spec, conf, identity)
  end

  function driver.post_request()
    for _, name in ipairs(spec.clears or {}) do
      kong.response.clear_header(name)
    end
  end

  function driver.subrequest(body, conf, http_opts, identity)
    return subrequest(spec, body, conf, http_opts, identity)
  end

  return driver
end


-- The address of a server and a path under it; the configuration's URL or path wins.
function _M.url(model, base, path)
  local options = model.options or {}
  if options.upstream_url then
    return options.upstream_url
  end
  return base .. gsub(options.upstream_path or path or "/", "^/*", "/")
end


-- A URL with the path that is configured, if one is, in place of its own.
function _M.with_path(url, options)
  local path = options.upstream_path
  return path and match(url, "^%a[%w+.-]*://[^/]*") .. gsub(path, "^/*", "/") or url
end


return _M
