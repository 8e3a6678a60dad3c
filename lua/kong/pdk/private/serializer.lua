-- The record of a request that logging plugins write.

local array_mt = require("cjson").array_mt
local phase_checker = require "kong.pdk.private.phases"
local table_tools = require "kong.tools.table"

local byte, find, sub = string.byte, string.find, string.sub
local error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type =
  error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type
local check_phase = phase_checker.check
local null = ngx.null
local copy = table_tools.cycle_aware_deep_copy

local PHASES = phase_checker.phases
local WITH_CONTEXT = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.header_filter,
                                       PHASES.response, PHASES.body_filter, PHASES.log)

local SECRET = { "authorization", "proxy-authorization" }
local SOURCES = { service = "upstream", exit = "kong", error = "kong" }
local ERR_VALUE = "value must be nil, a number, string, boolean or a non-self-referencial table "
                  .. "containing numbers, string and booleans"

local _M = {}


-- ---- values that plugins add ----------------------------------------------------------------

-- Remembers a value for the record: `set` always, `add` where there is none, `replace` where there
-- is one. A key is a path with dots.
function _M.set_serialize_value(key, value, options)
  check_phase(WITH_CONTEXT)
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  local mode = options and options.mode or "set"
  if mode ~= "set" and mode ~= "add" and mode ~= "replace" then
    error("mode must be 'set', 'add' or 'replace'", 2)
  end

  local ctx = (options and options.ngx or ngx).ctx
  local values = ctx.serialize_values
  if not values then
    values = {}
    ctx.serialize_values = values
  end
  values[#values + 1] = { key = key, value = value, mode = mode }
end


local function is_scalar(value)
  local kind = type(value)
  if kind == "cdata" then
    return false
  end
  return value == nil or value == null or kind == "number" or kind == "string" or kind == "boolean"
end

-- Whether a value can be written as JSON; a table may occur once only.
local function is_writable(value, seen)
  if is_scalar(value) then
    return true
  elseif type(value) ~= "table" or seen[value] then
    return false
  end
  seen[value] = true
  for key, inner in pairs(value) do
    if not is_scalar(key) or not is_writable(inner, seen) then
      return false
    end
  end
  return true
end


-- The table that holds the last part of a path, and that part; nil where the path breaks off and may
-- not be made.
local function locate(root, path, may_create)
  local node, rest = root, path
  while true do
    local dot = find(rest, ".", 2, true)
    if not dot then
      return node, rest
    end
    local part = sub(rest, 1, dot - 1)
    rest = sub(rest, dot + 1)
    local inner = node[part]
    if inner == nil then
      if not may_create then
        return nil
      end
      inner = {}
      node[part] = inner
    elseif type(inner) ~= "table" then
      error("The key '" .. path .. "' could not be used as a serialize value. Subkey '" .. part
            .. "' is not a table. It's " .. tostring(inner))
    end
    node = inner
  end
end


local function apply(root, entry)
  if not is_writable(entry.value, {}) then
    error(ERR_VALUE, 3)
  end
  local node, last = locate(root, entry.key, entry.mode ~= "replace")
  if not node then
    return
  end
  local present = node[last] ~= nil
  if entry.mode == "set" or (entry.mode == "replace") == present then
    node[last] = entry.value
  end
end


-- ---- the record -----------------------------------------------------------------------------

local function number_or_text(text)
  return tonumber(text, 10) or text
end


-- The upstream's path with the query it was asked with.
local function upstream_uri(var, request_uri)
  local uri = var.upstream_uri or ""
  if uri == "" or find(uri, "?", 1, true) then
    return uri
  elseif byte(request_uri, -1) == byte("?") then
    return uri .. "?"
  elseif var.is_args == "?" then
    return uri .. "?" .. (var.args or "")
  end
  return uri
end


local function request_headers(request)
  local headers = request.get_headers()
  for _, name in ipairs(SECRET) do
    if headers[name] ~= nil then
      headers[name] = "REDACTED"
    end
  end
  return headers
end


local function tls(var, ctx)
  local version = var.ssl_protocol
  if version and version ~= "" then
    return {
      version = version,
      cipher = var.ssl_cipher,
      client_verify = ctx.CLIENT_VERIFY_OVERRIDE or var.ssl_client_verify,
    }
  end
end


local function authenticated_entity(ctx)
  local credential = ctx.authenticated_credential
  return credential and { id = credential.id, consumer_id = credential.consumer_id }
end


local function request_record(ngx_table, kong_table, ctx, request_uri, headers)
  local var = ngx_table.var
  local port = ctx.host_port or tonumber(var.server_port, 10)
  return {
    -- Asked for anew: specs of plugins load that module again over an `ngx` of their own.
    id = require("kong.observability.tracing.request_id").get() or "",
    method = kong_table.request.get_method(),
    uri = request_uri,
    url = var.scheme .. "://" .. var.host .. (port and ":" .. port or "") .. request_uri,
    querystring = kong_table.request.get_query(),
    headers = headers,
    size = number_or_text(var.request_length),
    tls = tls(var, ctx),
  }
end


-- The tries of the balancer, a list in JSON also where there was none; nil where no route led to it.
local function tries_of(ctx)
  local balancer_data = (ctx.route or rawget(ctx, "balancer_data")) and ctx.balancer_data
  local tries = balancer_data and balancer_data.tries
  return tries and setmetatable(tries, array_mt)
end


-- What records of requests and of connections have in common.
local function record(ngx_table, kong_table)
  local ctx = ngx_table.ctx
  return {
    tries = tries_of(ctx),
    client_ip = ngx_table.var.remote_addr,
    started_at = kong_table.request.get_start_time(),
    authenticated_entity = authenticated_entity(ctx),
    consumer = copy(ctx.authenticated_consumer),
    route = copy(ctx.route),
    service = copy(ctx.service),
    workspace = ctx.workspace,
    workspace_name = require("kong.workspaces").get_workspace_name(),
  }
end


local function add_request(root, ngx_table, kong_table, with_headers)
  local ctx, var = ngx_table.ctx, ngx_table.var
  local request_uri = rawget(ctx, "request_uri") or var.request_uri or ""
  root.request = request_record(ngx_table, kong_table, ctx, request_uri,
                                with_headers and request_headers(kong_table.request) or nil)
  root.response = {
    status = ngx_table.status,
    headers = with_headers and ngx_table.resp.get_headers() or nil,
    size = number_or_text(var.bytes_sent),
  }
  root.upstream_uri = upstream_uri(var, request_uri)
  root.upstream_status = ctx.buffered_status or var.upstream_status or ""
  root.source = SOURCES[kong_table.response.get_source(ctx)]
  root.latencies = {
    request = tonumber(var.request_time) * 1000,
    kong = ctx.KONG_PROXY_LATENCY or ctx.KONG_RESPONSE_LATENCY or 0,
    proxy = ctx.KONG_WAITING_TIME or -1,
    receive = ctx.KONG_RECEIVE_TIME or 0,
  }
end


local function add_session(root, ngx_table)
  local ctx, var = ngx_table.ctx, ngx_table.var
  root.session = {
    tls = tls(var, ctx),
    received = number_or_text(var.bytes_received),
    sent = number_or_text(var.bytes_sent),
    status = ngx_table.status,
    server_port = ctx.host_port or tonumber(var.server_port, 10),
  }
  root.upstream = {
    received = number_or_text(var.upstream_bytes_received),
    sent = number_or_text(var.upstream_bytes_sent),
  }
  root.latencies = {
    kong = ctx.KONG_PROXY_LATENCY or ctx.KONG_RESPONSE_LATENCY or 0,
    session = tonumber(var.session_time) * 1000,
  }
end


-- The record as a table. Options name another `ngx` and `kong` to read from.
function _M.serialize(options)
  check_phase(PHASES.log)
  local ngx_table, kong_table = options and options.ngx or ngx, options and options.kong or kong
  local root = record(ngx_table, kong_table)
  if ngx_table.config.subsystem == "stream" then
    add_session(root, ngx_table)
  else
    add_request(root, ngx_table, kong_table, not (options and options.__skip_fetch_headers__))
  end
  for _, entry in ipairs(ngx_table.ctx.serialize_values or {}) do
    apply(root, entry)
  end
  return root
end


return _M
