-- kong.request: what the client asked for.

local checks = require "kong.pdk.private.checks"
local cjson = require "kong.tools.cjson"
local host = require "kong.host"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local error, find, lower, pairs, rawget, setmetatable, sub, tonumber, tostring, type =
  error, string.find, string.lower, pairs, rawget, setmetatable, string.sub, tonumber, tostring, type
local check_phase, check_not_phase = phase_checker.check, phase_checker.check_not
local query_arg, request_header = host.query_arg, host.request_header

local PHASES = phase_checker.phases
local REQUEST = PHASES.request
local BODY_PHASES = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.response, PHASES.error,
                                      PHASES.admin_api)

local FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
local ERR_SPOOLED = "request body did not fit into client body buffer, consider raising "
                    .. "'client_body_buffer_size'"


-- The part of a host behind a user and before a port, and the port.
local function split_authority(text)
  local at = find(text, "@", 1, true)
  text = at and sub(text, at + 1) or text
  local colon = find(text, ":", 1, true)
  return lower(colon and sub(text, 1, colon - 1) or text), colon and sub(text, colon + 1)
end


local function valid_port(text)
  local port = tonumber(text, 10)
  return port and port >= 1 and port <= 65535 and port or nil
end


local decode = {}

decode[FORM] = function(_, max_args)
  if max_args ~= nil then
    checks.check_limit("max_args", max_args, 4)
  end
  ngx.req.read_body()
  return ngx.req.get_post_args(max_args)
end

decode[JSON] = function(request, _, max_allowed_file_size)
  local body, err = request.get_raw_body(max_allowed_file_size)
  if not body then
    return nil, err
  end
  local value = cjson.decode_with_array_mt(body)
  if type(value) ~= "table" then
    return nil, "invalid json body"
  end
  return value
end

decode[MULTIPART] = function(request, _, max_allowed_file_size, content_type)
  local body, err = request.get_raw_body(max_allowed_file_size)
  if not body then
    return nil, err
  end
  local parts = require("multipart")(body, content_type)
  if not parts then
    return nil, "unable to decode multipart body"
  end
  local fields = parts:get_all_with_arrays()
  if not fields then
    return nil, "unable to read multipart values"
  end
  return fields
end


-- Which decoder a content type asks for.
local function body_kind(content_type)
  for kind in pairs(decode) do
    if find(content_type, kind, 1, true) == 1 then
      return kind
    end
  end
end


local function without_parameters(content_type)
  local at = find(content_type, ";", 1, true)
  return at and sub(content_type, 1, at - 1) or content_type
end


-- Reads a spooled body piece by piece, so that other requests go on meanwhile.
local function read_file(path, limit)
  local file, err = io.open(path, "rb")
  if not file then
    return nil, "failed to open cached request body '" .. path .. "': " .. err
  end
  local size = file:seek("end") or 0
  if limit > 0 and size > limit then
    file:close()
    return nil, ("request body file too big: %d > %d"):format(size, limit)
  end
  file:seek("set")
  local pieces = {}
  for piece in function() return file:read(1048576) end do
    pieces[#pieces + 1] = piece
    require("kong.tools.yield").yield()
  end
  file:close()
  return table.concat(pieces)
end


local function new(kong)
  local _REQUEST = {}

  local host_ports = kong.configuration.host_ports or {}

  local function trusted()
    return kong.ip.is_trusted(kong.client.get_ip())
  end


  function _REQUEST.get_scheme()
    check_phase(REQUEST)
    return ngx.var.scheme
  end


  function _REQUEST.get_host()
    check_phase(REQUEST)
    return ngx.var.host
  end


  function _REQUEST.get_port()
    check_not_phase(PHASES.init_worker)
    return tonumber(ngx.var.server_port, 10)
  end


  function _REQUEST.get_forwarded_scheme()
    check_phase(REQUEST)
    local scheme = trusted() and request_header("X-Forwarded-Proto")
    return scheme and lower(scheme) or ngx.var.scheme
  end


  function _REQUEST.get_forwarded_host()
    check_phase(REQUEST)
    local forwarded = trusted() and request_header("X-Forwarded-Host")
    if forwarded then
      return (split_authority(forwarded))
    end
    return ngx.var.host
  end


  function _REQUEST.get_forwarded_port()
    check_phase(REQUEST)
    if trusted() then
      local port = valid_port(request_header("X-Forwarded-Port") or "")
      local forwarded = not port and request_header("X-Forwarded-Host")
      if forwarded then
        local _, behind = split_authority(forwarded)
        port = valid_port(behind or "")
      end
      if port then
        return port
      end
    end
    local mapped = rawget(ngx.ctx, "host_port")
    if mapped then
      return mapped
    end
    local port = _REQUEST.get_port()
    return port and (host_ports[port] or host_ports[tostring(port)]) or port
  end


  function _REQUEST.get_forwarded_path()
    check_phase(REQUEST)
    return trusted() and request_header("X-Forwarded-Path") or _REQUEST.get_path()
  end


  function _REQUEST.get_forwarded_prefix()
    check_phase(REQUEST)
    local prefix = trusted() and request_header("X-Forwarded-Prefix")
    if prefix then
      return prefix
    end
    -- Set by routing, to nothing where nothing was stripped.
    prefix = ngx.var.upstream_x_forwarded_prefix
    return (prefix ~= "" or host.phase() == PHASES.rewrite) and prefix or nil
  end


  function _REQUEST.get_http_version()
    check_phase(REQUEST)
    return ngx.req.http_version()
  end


  function _REQUEST.get_method()
    check_phase(REQUEST)
    return host.method() or ngx.req.get_method()
  end


  function _REQUEST.get_path()
    check_phase(REQUEST)
    return host.normalize_path(host.raw_path(), true)
  end


  function _REQUEST.get_raw_path()
    check_phase(REQUEST)
    return host.raw_path()
  end


  function _REQUEST.get_path_with_query()
    check_phase(REQUEST)
    return ngx.var.request_uri or ""
  end


  function _REQUEST.get_raw_query()
    check_phase(REQUEST)
    return ngx.var.args or ""
  end


  function _REQUEST.get_query_arg(name)
    check_phase(REQUEST)
    if type(name) ~= "string" then
      error("query argument name must be a string", 2)
    end
    return (query_arg(name))
  end


  function _REQUEST.get_query(max_args)
    check_phase(REQUEST)
    if max_args ~= nil then
      checks.check_limit("max_args", max_args)
    end
    return ngx.req.get_uri_args(max_args)
  end


  function _REQUEST.get_header(name)
    check_phase(REQUEST)
    if type(name) ~= "string" then
      error("header name must be a string", 2)
    end
    return (request_header(name))
  end


  function _REQUEST.get_headers(max_headers)
    check_phase(REQUEST)
    if max_headers ~= nil then
      checks.check_limit("max_headers", max_headers)
    end
    return ngx.req.get_headers(max_headers)
  end


  function _REQUEST.get_raw_body(max_allowed_file_size)
    check_phase(BODY_PHASES)
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    if body then
      return body
    end
    local path = ngx.req.get_body_file()
    if not path then
      return ""
    elseif not max_allowed_file_size or max_allowed_file_size < 0 then
      return nil, ERR_SPOOLED
    end
    return read_file(path, max_allowed_file_size)
  end


  function _REQUEST.get_body(mimetype, max_args, max_allowed_file_size)
    check_phase(BODY_PHASES)
    local content_type = mimetype or _REQUEST.get_header("Content-Type")
    if not content_type then
      return nil, "missing content type"
    end
    local media = without_parameters(lower(content_type))
    local kind = body_kind(media)
    if not kind then
      return nil, "unsupported content type '" .. content_type .. "'", media
    end
    local body, err = decode[kind](_REQUEST, max_args, max_allowed_file_size, content_type)
    if not body then
      return nil, err, kind
    end
    return body, nil, kind
  end


  function _REQUEST.get_start_time()
    check_phase(REQUEST)
    return ngx.ctx.KONG_PROCESSING_START or ngx.req.start_time() * 1000
  end


  function _REQUEST.get_uri_captures(ctx)
    check_phase(REQUEST)
    ctx = ctx or ngx.ctx
    local matches = ctx.router_matches
    local unnamed, named = {}, {}
    for key, value in pairs(matches and matches.uri_captures or {}) do
      if type(key) == "number" then
        unnamed[key] = value
      else
        named[key] = value
      end
    end
    return { unnamed = setmetatable(unnamed, cjson.array_mt), named = named }
  end


  return _REQUEST
end


return { new = new }
