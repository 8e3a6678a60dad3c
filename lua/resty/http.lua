-- resty.http: an HTTP/1 client over a cosocket.
local headers_of = require("resty.http_headers").new

local ngx = ngx
local encode_args, encode_base64, re_match, tcp = ngx.encode_args, ngx.encode_base64, ngx.re.match, ngx.socket.tcp
local concat, insert = table.concat, table.insert
local find, lower, match, sub, upper = string.find, string.lower, string.match, string.sub, string.upper
local error, ipairs, pairs, setmetatable, tonumber, tostring, type =
  error, ipairs, pairs, setmetatable, tonumber, tostring, type
local yield, wrap = coroutine.yield, coroutine.wrap

local PIECE = 65536
local PORTS = { http = 80, https = 443 }
local VERSIONS = { [1.0] = " HTTP/1.0\r\n", [1.1] = " HTTP/1.1\r\n" }
local URI = [==[^(?:(http[s]?):)?//((?:[^\[\]:/?]+)|(?:\[[^\]]+\]))(?::(\d+))?([^?]*)\??(.*)$]==]
local HOP_BY_HOP = {}
for name in string.gmatch(
  "connection content-length keep-alive proxy-authenticate proxy-authorization te trailers transfer-encoding upgrade",
  "%S+"
) do
  HOP_BY_HOP[name] = true
end

local _M = { _VERSION = "0.17.2" }
_M._USER_AGENT = "lua-resty-http/" .. _M._VERSION .. " (Lua) ngx_lua/" .. ngx.config.ngx_lua_version
local mt = { __index = _M }

function _M.new(_)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ sock = sock, keepalive = true }, mt)
end

function _M.debug() end

-- Connection

function _M:set_timeout(timeout)
  return self.sock:settimeout(timeout)
end

function _M:set_timeouts(connect, send, read)
  return self.sock:settimeouts(connect, send, read)
end

function _M:set_proxy_options(options)
  self.proxy_opts = options
end

function _M:get_reused_times()
  return self.sock:getreusedtimes()
end

function _M:close()
  return self.sock:close()
end

function _M:set_keepalive(...)
  if self.keepalive then
    return self.sock:setkeepalive(...)
  end
  -- The server closes the connection, or its end was not seen.
  local ok, err = self.sock:close()
  if ok then
    return 2, "connection must be closed"
  end
  return ok, err
end

function _M:ssl_handshake(session, name, verify)
  self.ssl = true
  return self.sock:sslhandshake(session, name, verify)
end

-- Whether a host is exempt from proxying: a list of names, `*` for all, `.name` for a domain.
local function is_exempt(list, host)
  if not list then
    return false
  end
  for entry in string.gmatch(list, "[^, ]+") do
    local domain = sub(entry, 1, 1) == "." and sub(entry, 2) or entry
    if entry == "*" or host == domain or sub(host, -#domain - 1) == "." .. domain then
      return true
    end
  end
  return false
end

local function proxy_of(options, scheme, host)
  if not options or is_exempt(options.no_proxy, host) then
    return nil
  end
  return options[scheme .. "_proxy"], options[scheme .. "_proxy_authorization"]
end

-- Asks a proxy for a tunnel.
local function open_tunnel(self, host, port, authorization)
  local target = host .. ":" .. port
  local lines = { "CONNECT ", target, " HTTP/1.1\r\nHost: ", target, "\r\n" }
  if authorization then
    insert(lines, "Proxy-Authorization: " .. authorization .. "\r\n")
  end
  insert(lines, "\r\n")
  local sent, err = self.sock:send(lines)
  if not sent then
    return nil, "failed to send CONNECT: " .. err
  end

  local line
  line, err = self.sock:receive("*l")
  if not line then
    return nil, "failed to receive answer to CONNECT: " .. err
  end
  local status = tonumber(match(line, "^HTTP/%d%.%d (%d%d%d)"))
  repeat
    line, err = self.sock:receive("*l")
    if not line then
      return nil, err
    end
  until line == ""
  if status ~= 200 then
    return nil, "failed to establish a tunnel through a proxy: " .. tostring(status)
  end
  return true
end

local function handshake(self, options, host)
  if options.ssl_client_cert and options.ssl_client_priv_key then
    local ok, err = self.sock:setclientcert(options.ssl_client_cert, options.ssl_client_priv_key)
    if not ok then
      return nil, "could not set client certificate: " .. err
    end
  end
  local verify = options.ssl_verify ~= false
  local name = options.ssl_server_name or match(host, "^%[(.*)%]$") or host
  local session, err = self.sock:sslhandshake(options.ssl_session, name, verify, options.ssl_send_status_req)
  if not session then
    self:close()
    return nil, err
  end
  return session
end

-- connect { scheme =, host =, port =, … }: connects, through a proxy where one is set, with TLS.
local function connect_with(self, options)
  local scheme, host = options.scheme, options.host
  local is_unix = sub(host, 1, 5) == "unix:"
  local port = not is_unix and (tonumber(options.port) or PORTS[scheme]) or nil
  local proxy_uri, authorization
  if not is_unix and scheme then
    proxy_uri, authorization = proxy_of(options.proxy_opts or self.proxy_opts, scheme, host)
  end
  authorization = options.proxy_authorization or authorization

  self.scheme, self.host, self.port = scheme, host, port
  self.ssl = scheme == "https"
  self.keepalive = true
  self.http_proxy_authorization = nil
  self.path_prefix = nil

  local pool = options.pool or concat({
    scheme or "", host, port or "", tostring(options.ssl_verify ~= false),
    options.ssl_server_name or "", proxy_uri or "", authorization or "", tostring(options.ssl_client_cert or ""),
  }, ":")
  local socket_options = { pool = pool, pool_size = options.pool_size, backlog = options.backlog }

  local ok, err
  if proxy_uri then
    local proxy, bad = self:parse_uri(proxy_uri)
    if not proxy then
      return nil, "error parsing proxy URI: " .. bad
    end
    ok, err = self.sock:connect(proxy[2], proxy[3], socket_options)
  elseif is_unix then
    ok, err = self.sock:connect(host, socket_options)
  else
    ok, err = self.sock:connect(host, port, socket_options)
  end
  if not ok then
    return nil, err
  end

  local reused = self.sock:getreusedtimes()
  if proxy_uri and scheme == "http" then
    self.http_proxy_authorization = authorization
    self.path_prefix = "http://" .. host .. (port == 80 and "" or ":" .. port)
  end
  if reused and reused > 0 then
    return ok, nil, nil
  end
  if proxy_uri and self.ssl then
    ok, err = open_tunnel(self, host, port, authorization)
    if not ok then
      self:close()
      return nil, err
    end
  end
  local session
  if self.ssl then
    session, err = handshake(self, options, host)
    if not session then
      return nil, err
    end
  end
  return true, nil, session
end

function _M:connect(host, port, ...)
  if type(host) == "table" then
    return connect_with(self, host)
  end
  self.scheme, self.host, self.port = nil, host, tonumber(port)
  self.keepalive, self.ssl = true, nil
  self.path_prefix, self.http_proxy_authorization = nil, nil
  return self.sock:connect(host, port, ...)
end

-- connect, with TLS for "https": the form of former releases
function _M:connect_proxy(proxy_uri, scheme, host, port, authorization)
  return connect_with(self, {
    scheme = scheme, host = host, port = port,
    proxy_opts = { [scheme .. "_proxy"] = proxy_uri, [scheme .. "_proxy_authorization"] = authorization },
  })
end

function _M:get_proxy_uri(scheme, host)
  return (proxy_of(self.proxy_opts, scheme, host))
end

-- { scheme, host, port, path, query } of a URI; the query stays with the path unless told otherwise.
function _M:parse_uri(uri, query_in_path)
  if query_in_path == nil then
    query_in_path = true
  end
  local parts, err = re_match(uri, URI, "jo")
  if not parts then
    return nil, err and "failed to match the uri: " .. uri .. ", " .. err or "bad uri: " .. uri
  end
  local scheme = parts[1] or nil
  if not scheme then
    local ok, current = pcall(function() return ngx.var.scheme end)
    scheme = ok and current == "https" and "https" or "http"
  end
  local port = tonumber(parts[3] or nil) or PORTS[scheme]
  local path, query = parts[4] ~= "" and parts[4] or "/", parts[5] or ""
  if query_in_path and query ~= "" then
    return { scheme, parts[2], port, path .. "?" .. query, "" }
  end
  return { scheme, parts[2], port, path, query }
end

-- Request

local function host_field(self)
  local host = self.host
  if not host or sub(host, 1, 5) == "unix:" then
    return "localhost"
  end
  if find(host, ":", 1, true) and sub(host, 1, 1) ~= "[" then
    host = "[" .. host .. "]"
  end
  if not self.port or self.port == (self.ssl and 443 or 80) then
    return host
  end
  return host .. ":" .. self.port
end

local function body_length(body)
  if type(body) == "table" then
    local length = 0
    for _, piece in ipairs(body) do
      length = length + #tostring(piece)
    end
    return length
  end
  return #tostring(body)
end

local function fields_of(self, params, version)
  local fields = headers_of(params.headers)
  local body = params.body
  if type(body) == "function" then
    if not fields["Content-Length"] and not fields["Transfer-Encoding"] then
      return nil, "Request body is a function but a length or chunked encoding is not specified"
    end
  elseif not fields["Content-Length"] and not fields["Transfer-Encoding"] then
    local method = upper(params.method or "GET")
    if body then
      fields["Content-Length"] = body_length(body)
    elseif method == "POST" or method == "PUT" or method == "PATCH" then
      fields["Content-Length"] = 0
    end
  end
  if not fields["Host"] then
    fields["Host"] = host_field(self)
  end
  if not fields["User-Agent"] then
    fields["User-Agent"] = _M._USER_AGENT
  end
  if version == 1.0 and not fields["Connection"] then
    fields["Connection"] = "Keep-Alive"
  end
  if self.http_proxy_authorization and not fields["Proxy-Authorization"] then
    fields["Proxy-Authorization"] = self.http_proxy_authorization
  end
  return fields
end

local function head_of(self, params, fields, version)
  local path = params.path or "/"
  if sub(path, 1, 1) ~= "/" and path ~= "*" then
    path = "/" .. path
  end
  local query = params.query
  if type(query) == "table" then
    query = encode_args(query)
  end
  if query and query ~= "" then
    if sub(query, 1, 1) ~= "?" then
      query = "?" .. query
    end
  else
    query = ""
  end

  local lines = { upper(params.method or "GET"), " ", self.path_prefix or "", path, query, VERSIONS[version] }
  local at = #lines
  for name, values in pairs(fields) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[at + 1], lines[at + 2], lines[at + 3], lines[at + 4] = name, ": ", tostring(value), "\r\n"
      at = at + 4
    end
  end
  lines[at + 1] = "\r\n"
  return concat(lines)
end

local function send_body(sock, body)
  if type(body) ~= "function" then
    if body then
      return sock:send(body)
    end
    return true
  end
  repeat
    local piece, err = body()
    if err then
      return nil, err
    end
    if piece then
      local sent
      sent, err = sock:send(piece)
      if not sent then
        return nil, err
      end
    end
  until not piece
  return true
end

function _M:send_request(params)
  setmetatable(params, { __index = { method = "GET", version = 1.1, path = "/" } })
  local version = params.version
  if not VERSIONS[version] then
    return nil, "unknown HTTP version"
  end
  local fields, err = fields_of(self, params, version)
  if not fields then
    return nil, err
  end
  local sent
  sent, err = self.sock:send(head_of(self, params, fields, version))
  if not sent then
    return nil, err
  end
  if lower(tostring(fields["Expect"])) == "100-continue" then
    -- The body goes out once the server has asked for it.
    return true
  end
  return send_body(self.sock, params.body)
end

-- Response

local function receive_status(sock)
  local line, err = sock:receive("*l")
  if not line then
    return nil, nil, nil, err
  end
  local version = tonumber(sub(line, 6, 8))
  local status = tonumber(sub(line, 10, 12))
  if not version or not status or sub(line, 1, 5) ~= "HTTP/" then
    return nil, nil, nil, "couldn't parse HTTP version and status: " .. line
  end
  return status, version, sub(line, 14)
end

local function receive_fields(sock)
  local fields = headers_of()
  while true do
    local line, err = sock:receive("*l")
    if not line then
      return nil, err
    end
    if line == "" then
      return fields
    end
    local name, value = match(line, "^([^:%s]+):%s*(.-)%s*$")
    if name then
      local before = fields[name]
      if before == nil then
        fields[name] = value
      elseif type(before) == "table" then
        insert(before, value)
      else
        fields[name] = { before, value }
      end
    end
  end
end

local function has_body(method, status)
  return method ~= "HEAD" and status ~= 204 and status ~= 304 and status >= 200
end

-- Readers are coroutines: each call answers a piece, nil at the end, or nil and an error.

local function length_reader(sock, length, default)
  return wrap(function(size)
    local left = length
    while left > 0 do
      local wanted = size or default or left
      local piece, err, partial = sock:receive(wanted < left and wanted or left)
      if not piece then
        yield(nil, err, partial)
        return
      end
      left = left - #piece
      size = yield(piece)
    end
    yield(nil)
  end)
end

local function rest_reader(sock, default)
  return wrap(function(size)
    while true do
      local piece, err = sock:receiveany(size or default or PIECE)
      if not piece then
        yield(nil, err ~= "closed" and err or nil)
        return
      end
      size = yield(piece)
    end
  end)
end

local function chunk_reader(sock, default)
  return wrap(function(size)
    while true do
      local line, err = sock:receive("*l")
      if not line then
        yield(nil, err)
        return
      end
      local left = tonumber(match(line, "^%x+"), 16)
      if not left then
        yield(nil, "unable to read chunksize")
        return
      end
      if left == 0 then
        break
      end
      while left > 0 do
        local wanted = size or default or left
        local piece
        piece, err = sock:receive(wanted < left and wanted or left)
        if not piece then
          yield(nil, err)
          return
        end
        left = left - #piece
        size = yield(piece)
      end
      local _, end_err = sock:receive(2)
      if end_err then
        yield(nil, end_err)
        return
      end
    end
    yield(nil)
  end)
end

local function no_body()
  return nil
end

local function is_chunked(fields)
  local encoding = fields["Transfer-Encoding"]
  if type(encoding) == "table" then
    encoding = encoding[#encoding]
  end
  return encoding and lower(encoding) == "chunked"
end

local function body_reader(sock, fields, version, default)
  if version ~= 1.0 and is_chunked(fields) then
    return chunk_reader(sock, default), true
  end
  local length = fields["Content-Length"]
  length = tonumber(type(length) == "table" and length[1] or length)
  if length then
    return length_reader(sock, length, default)
  end
  return rest_reader(sock, default), false, true
end

local function read_body(res)
  if not res.has_body then
    return ""
  end
  local pieces, count = {}, 0
  while true do
    local piece, err = res.body_reader()
    if err then
      return nil, err, concat(pieces)
    end
    if not piece then
      return concat(pieces)
    end
    count = count + 1
    pieces[count] = piece
  end
end

local function read_trailers(res)
  local trailers, err = receive_fields(res._sock)
  if not trailers then
    return nil, err
  end
  setmetatable(res.headers, { __index = trailers })
  return trailers
end

local function keeps_alive(fields, version)
  local connection = fields["Connection"]
  if type(connection) == "table" then
    connection = concat(connection, ",")
  end
  connection = connection and lower(connection) or ""
  if find(connection, "close", 1, true) then
    return false
  end
  return version ~= 1.0 or find(connection, "keep%-alive") ~= nil
end

function _M:read_response(params)
  local sock = self.sock
  local status, version, reason, err
  repeat
    status, version, reason, err = receive_status(sock)
    if not status then
      return nil, err
    end
    if status == 100 then
      local _, skipped = receive_fields(sock)
      if skipped then
        return nil, skipped
      end
      local sent
      sent, err = send_body(sock, self.pending_body)
      self.pending_body = nil
      if not sent then
        return nil, err
      end
    end
  until status ~= 100

  local fields
  fields, err = receive_fields(sock)
  if not fields then
    return nil, err
  end
  self.keepalive = keeps_alive(fields, version)

  local res = {
    status = status,
    reason = reason,
    headers = fields,
    has_body = has_body(upper(params.method or "GET"), status),
    body_reader = no_body,
    read_body = read_body,
    _sock = sock,
  }
  local chunked, to_end
  if res.has_body then
    res.body_reader, chunked, to_end = body_reader(sock, fields, version)
    if to_end then
      self.keepalive = false
    end
  end
  if fields["Trailer"] then
    res.read_trailers = read_trailers
  elseif chunked then
    -- What ends a chunked body is read with it.
    local reader = res.body_reader
    local ended = false
    res.body_reader = function(size)
      if ended then
        return nil
      end
      local piece, reader_err = reader(size)
      if not piece then
        ended = true
        if not reader_err then
          local _, trailer_err = receive_fields(sock)
          reader_err = trailer_err
        end
      end
      return piece, reader_err
    end
  end
  return res
end

function _M:request(params)
  params = setmetatable({}, { __index = params })
  local expects = params.headers and lower(tostring(headers_of(params.headers)["Expect"])) == "100-continue"
  local copy = {}
  for _, name in ipairs { "method", "path", "query", "headers", "body", "version" } do
    copy[name] = params[name]
  end
  self.pending_body = expects and copy.body or nil
  local ok, err = self:send_request(copy)
  if not ok then
    return nil, err
  end
  return self:read_response(copy)
end

-- Sends all requests, then answers a list of responses that are read one after the other.
function _M:request_pipeline(requests)
  for _, params in ipairs(requests) do
    if params.headers and params.headers["Expect"] == "100-continue" then
      return nil, "Cannot pipeline request specifying Expect: 100-continue"
    end
    local ok, err = self:send_request(params)
    if not ok then
      return nil, err
    end
  end
  local responses = {}
  for i, params in ipairs(requests) do
    responses[i] = setmetatable({ response_read = false }, {
      __index = function(res, name)
        local read, err = self:read_response(params)
        if not read then
          return nil, err
        end
        for field, value in pairs(read) do
          res[field] = value
        end
        res.response_read = true
        return rawget(res, name)
      end,
    })
  end
  return responses
end

local function request_uri(self, uri, params)
  local parsed, err = self:parse_uri(uri, false)
  if not parsed then
    return nil, err
  end
  local options = {}
  for name, value in pairs(params or {}) do
    options[name] = value
  end
  options.scheme, options.host, options.port = parsed[1], parsed[2], parsed[3]
  options.path = options.path or parsed[4]
  if not options.query and parsed[5] ~= "" then
    options.query = parsed[5]
  end
  options.pool = options.keepalive_pool_name or options.pool

  local ok
  ok, err = self:connect(options)
  if not ok then
    return nil, err
  end
  local res
  res, err = self:request(options)
  if not res then
    self:close()
    return nil, err
  end
  res.body, err = res:read_body()
  if not res.body then
    self:close()
    return nil, err
  end

  if options.keepalive == false then
    self:close()
  else
    -- Failing to keep the connection is no failure of the request.
    self:set_keepalive(options.keepalive_timeout, options.keepalive_pool)
  end
  return res
end

function _M:request_uri(uri, params)
  return request_uri(self, uri, params)
end

-- Relaying

-- The body of the current request as a reader, for `body`.
function _M:get_client_body_reader(_, _)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if not body then
    local path = ngx.req.get_body_file()
    if not path then
      return nil
    end
    local file, err = io.open(path, "rb")
    if not file then
      return nil, err
    end
    body = file:read("*a")
    file:close()
  end
  return wrap(function()
    yield(body)
    yield(nil)
  end)
end

function _M:set_client_body_reader() end

-- Sends the current request on.
function _M:proxy_request(_)
  ngx.req.read_body()
  local args = ngx.var.args
  return self:request {
    method = ngx.req.get_method(),
    path = ngx.re.gsub(ngx.var.uri, "\\s", "%20", "jo") .. (args and "?" .. args or ""),
    body = ngx.req.get_body_data(),
    headers = ngx.req.get_headers(),
  }
end

-- Makes a response the response to the current request.
function _M:proxy_response(res, size)
  if not res then
    error("no response provided", 2)
  end
  ngx.status = res.status
  for name, value in pairs(res.headers) do
    if not HOP_BY_HOP[lower(name)] then
      ngx.header[name] = value
    end
  end
  repeat
    local piece, err = res.body_reader(size)
    if err then
      ngx.log(ngx.ERR, err)
      break
    end
    if piece then
      ngx.print(piece)
    end
  until not piece
end

-- The value of a Basic authorization.
function _M.basic_authorization(user, password)
  return "Basic " .. encode_base64(user .. ":" .. password)
end

return _M
