-- kong.response: what the client gets.

local checks = require "kong.pdk.private.checks"
local cjson = require "cjson.safe"
local host = require "kong.host"
local http = require "kong.tools.http"
local lookup = require "kong.pdk.private.lookup"
local native = require "kong.native"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local concat, error, find, fmt, gsub, lower, pairs, type =
  table.concat, error, string.find, string.format, string.gsub, string.lower, pairs, type
local check_phase = phase_checker.check
local response_sent = host.response_sent
local normalize, validate_header, validate_headers =
  checks.normalize_multi_header, checks.validate_header, checks.validate_headers

local PHASES = phase_checker.phases
local READ = phase_checker.new(PHASES.response, PHASES.header_filter, PHASES.body_filter, PHASES.log,
                               PHASES.error, PHASES.admin_api)
local WRITE = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.response, PHASES.balancer,
                                PHASES.header_filter, PHASES.error, PHASES.admin_api)

local JSON, GRPC = "application/json; charset=utf-8", "application/grpc"
local ERR_SENT = "headers have already been sent"

local GRPC_STATUS = {
  [200] = 0, [400] = 3, [401] = 16, [403] = 7, [404] = 5, [409] = 6, [429] = 8, [499] = 1, [500] = 13,
  [501] = 12, [503] = 14, [504] = 4,
}
local GRPC_MESSAGE = {
  [0] = "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
  "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
  "Internal", "Unavailable", "DataLoss", "Unauthenticated",
}

-- The message of an error response that is given none.
local MESSAGES = {
  [400] = "Bad request", [401] = "Unauthorized", [402] = "Payment required", [403] = "Forbidden",
  [404] = "Not found", [405] = "Method not allowed", [406] = "Not acceptable",
  [407] = "Proxy authentication required", [408] = "Request timeout", [409] = "Conflict", [410] = "Gone",
  [411] = "Length required", [412] = "Precondition failed", [413] = "Payload too large",
  [414] = "URI too long", [415] = "Unsupported media type", [416] = "Range not satisfiable",
  [417] = "Expectation failed", [418] = "I'm a teapot", [421] = "Misdirected request",
  [422] = "Unprocessable entity", [423] = "Locked", [424] = "Failed dependency", [425] = "Too early",
  [426] = "Upgrade required", [428] = "Precondition required", [429] = "Too many requests",
  [431] = "Request header fields too large", [451] = "Unavailable for legal reasons",
  [494] = "Request header or cookie too large", [500] = "An unexpected error occurred",
  [501] = "Not implemented", [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable", [504] = "The upstream server is timing out",
  [505] = "HTTP version not supported", [506] = "Variant also negotiates", [507] = "Insufficient storage",
  [508] = "Loop detected", [510] = "Not extended", [511] = "Network authentication required",
}


local function message_of(status)
  return MESSAGES[status] or fmt("The upstream server responded with %d", status)
end


-- Tells whether a name is a field's, in any case, and with underscores for hyphens too.
local function recognizer(field)
  local underscored, length = (gsub(field, "-", "_")), #field
  return function(name)
    if #name ~= length then
      return false
    end
    name = lower(name)
    return name == field or name == underscored
  end
end


local is_transfer_encoding = recognizer "transfer-encoding"
local is_content_type = recognizer "content-type"
local is_content_length = recognizer "content-length"


local function grpc_status_of(status)
  local known = GRPC_STATUS[status]
  if known then
    return known
  end
  local class = status >= 500 and 500 or status >= 400 and 400 or status >= 200 and status <= 299 and 200
  return class and GRPC_STATUS[class] or 2
end


local function is_grpc_request()
  local content_type = host.request_header("Content-Type")
  return content_type and find(content_type, GRPC, 1, true) == 1 and ngx.req.http_version() == 2
end


-- Throws, in the name of the caller's caller, where a response can be changed no more.
local function check_writable(level)
  if response_sent() then
    error(ERR_SENT, level or 3)
  end
end


local function check_status(status, least)
  if type(status) ~= "number" then
    error("code must be a number", 3)
  elseif status < least or status > 599 then
    error(fmt("code must be a number between %u and %u", least, 599), 3)
  end
end


local function check_headers(headers)
  if headers ~= nil and type(headers) ~= "table" then
    error("headers must be a nil or table", 3)
  end
end


local function new(kong)
  local _RESPONSE = {}


  local function write_header(name, value)
    if is_transfer_encoding(name) then
      kong.log.warn("manually setting Transfer-Encoding. Ignored.")
    else
      ngx.header[name] = normalize(value)
    end
  end


  -- Writes headers; tells whether a content type and a length were among them.
  local function write_headers(headers)
    local has_type, has_length
    for name, value in pairs(headers or {}) do
      write_header(name, value)
      has_type = has_type or is_content_type(name)
      has_length = has_length or is_content_length(name)
    end
    return has_type, has_length
  end


  -- A table as the body: JSON, or for gRPC the message in it.
  local function encode(body, is_grpc, is_grpc_output)
    if not is_grpc then
      local text, err = cjson.encode(body)
      if err then
        error(fmt("body encoding failed while flushing response: %s", err), 4)
      end
      return text
    elseif is_grpc_output then
      error("table body encoding with gRPC is not supported", 4)
    elseif type(body.message) == "string" then
      return body.message
    end
    kong.log.warn("body was removed because table body encoding with gRPC is not supported")
  end


  -- Writes status, headers and body, and ends the phase.
  local function send(status, body, headers)
    native.set_status(status)
    local has_type, has_length = write_headers(headers)

    local sent_type = ngx.header["Content-Type"]
    local is_grpc_output = sent_type and find(sent_type, GRPC, 1, true) == 1
    local is_grpc = is_grpc_output or not sent_type and is_grpc_request()

    local grpc_status
    if is_grpc and not ngx.header["grpc-status"] then
      grpc_status = grpc_status_of(status)
      ngx.header["grpc-status"] = grpc_status
    end

    if type(body) == "table" then
      body = encode(body, is_grpc, is_grpc_output)
      if not is_grpc and not has_type then
        ngx.header["Content-Type"] = JSON
      end
    end

    if body and is_grpc and not is_grpc_output then
      ngx.header["Content-Length"] = 0
      ngx.header["grpc-message"] = body
      body = ""
    else
      if not has_length then
        ngx.header["Content-Length"] = body and #body or 0
      end
      if grpc_status and not ngx.header["grpc-message"] then
        ngx.header["grpc-message"] = GRPC_MESSAGE[grpc_status]
      end
    end
    if is_grpc then
      body = body or ""
    end
    return native.finish(body)
  end


  function _RESPONSE.get_status()
    check_phase(READ)
    return ngx.status
  end


  function _RESPONSE.get_header(name)
    check_phase(READ)
    if type(name) ~= "string" then
      error("header name must be a string", 2)
    end
    return (host.response_header(name))
  end


  function _RESPONSE.get_headers(max_headers)
    check_phase(READ)
    if max_headers ~= nil then
      checks.check_limit("max_headers", max_headers)
    end
    return ngx.resp.get_headers(max_headers)
  end


  function _RESPONSE.get_source(ctx)
    if ctx == nil then
      check_phase(READ)
      ctx = ngx.ctx
    end
    if ctx.KONG_UNEXPECTED then
      return "error"
    elseif ctx.KONG_EXITED then
      return "exit"
    end
    return ctx.KONG_PROXIED and "service" or "error"
  end


  function _RESPONSE.set_status(status)
    check_phase(WRITE)
    check_writable()
    check_status(status, 100)
    ngx.status = status
  end


  function _RESPONSE.set_header(name, value)
    check_phase(WRITE)
    check_writable()
    validate_header(name, value)
    write_header(name, value)
  end


  function _RESPONSE.add_header(name, value)
    check_phase(WRITE)
    check_writable()
    validate_header(name, value)
    native.add_response_header(name, normalize(value))
  end


  function _RESPONSE.clear_header(name)
    check_phase(WRITE)
    check_writable()
    if type(name) ~= "string" then
      error("header name must be a string", 2)
    end
    ngx.header[name] = nil
  end


  function _RESPONSE.set_headers(headers)
    check_phase(WRITE)
    check_writable()
    validate_headers(headers)
    write_headers(headers)
  end


  -- The whole body with its last piece; nil, holding the piece back, with those before.
  function _RESPONSE.get_raw_body()
    check_phase(PHASES.body_filter)
    local arg, ctx = ngx.arg, ngx.ctx
    local chunk, eof = arg[1], arg[2]
    local pieces = ctx.KONG_BODY_BUFFER
    if eof and not pieces then
      return chunk
    end

    pieces = pieces or {}
    if type(chunk) == "string" and chunk ~= "" then
      pieces[#pieces + 1] = chunk
    end
    if not eof then
      ctx.KONG_BODY_BUFFER = pieces
      arg[1] = nil
      return nil
    end
    local body = concat(pieces)
    ctx.KONG_BODY_BUFFER = nil
    arg[1] = body
    return body
  end


  function _RESPONSE.set_raw_body(body)
    check_phase(PHASES.body_filter)
    if type(body) ~= "string" then
      error("body must be a string", 2)
    end
    ngx.ctx.KONG_BODY_BUFFER = nil
    ngx.arg[1] = body == "" and "\n" or body
    ngx.arg[2] = true
  end


  function _RESPONSE.exit(status, body, headers)
    check_phase(WRITE)
    check_writable()
    check_status(status, 100)
    if body ~= nil and type(body) ~= "string" and type(body) ~= "table" then
      error("body must be a nil, string or table", 2)
    end
    check_headers(headers)
    if headers then
      validate_headers(headers)
    end
    return send(status, body, headers)
  end


  -- The content type of an error body: the one given, or what the client prefers.
  local function error_type(headers)
    local given = headers and headers["Content-Type"]
    if given ~= nil then
      return type(given) == "table" and given[1] or given
    elseif is_grpc_request() then
      return GRPC
    end
    return http.get_response_type(lookup.header("Accept"))
  end


  local function error_text(message)
    if type(message) == "table" then
      local text, err = cjson.encode(message)
      if err then
        error("could not JSON encode the error message: " .. err, 3)
      end
      return text
    elseif message ~= nil and type(message) ~= "string" then
      error("message must be a nil, a string or a table", 3)
    end
    return message
  end


  function _RESPONSE.error(status, message, headers)
    check_phase(WRITE)
    check_writable()
    check_status(status, 400)
    message = error_text(message)
    check_headers(headers)
    if headers then
      validate_headers(headers)
    end

    headers = headers or {}
    local content_type = error_type(headers)
    headers["Content-Type"] = content_type
    local body
    if content_type ~= GRPC then
      local template = http.get_error_template(content_type)
      body = fmt(template, message or message_of(status), host.request_id() or "")
    end
    return send(status, body, headers)
  end


  return _RESPONSE
end


return { new = new }
