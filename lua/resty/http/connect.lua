-- Connecting: plain, with TLS, through a proxy.
local re_match = ngx.re.match
local concat, insert = table.concat, table.insert
local find, match, sub = string.find, string.match, string.sub
local tonumber, tostring, type = tonumber, tostring, type

local PORTS = { http = 80, https = 443 }
local URI = [==[^(?:(http[s]?):)?//((?:[^\[\]:/?]+)|(?:\[[^\]]+\]))(?::(\d+))?([^?]*)\??(.*)$]==]

local _M = {}

local ERR_NO_SOCKET = "not initialized"

function _M:set_timeout(timeout)
  if not self.sock then
    return nil, ERR_NO_SOCKET
  end
  return self.sock:settimeout(timeout)
end

function _M:set_timeouts(connect, send, read)
  if not self.sock then
    return nil, ERR_NO_SOCKET
  end
  return self.sock:settimeouts(connect, send, read)
end

function _M:set_proxy_options(options)
  self.proxy_opts = options
end

function _M:get_reused_times()
  if not self.sock then
    return nil, ERR_NO_SOCKET
  end
  return self.sock:getreusedtimes()
end

function _M:close()
  if not self.sock then
    return nil, ERR_NO_SOCKET
  end
  return self.sock:close()
end

function _M:set_keepalive(...)
  if not self.sock then
    return nil, ERR_NO_SOCKET
  end
  if self.keepalive then
    return self.sock:setkeepalive(...)
  end
  -- The server closes the connection, or its end was not seen.
  local ok, err = self.sock:close()
  if ok or err == "closed" then
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
    options.ssl_server_name or "", proxy_uri or "", authorization or "",
    tostring(options.ssl_client_cert or ""),
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
    if port == nil then
      return nil, "missing the port number"
    end
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
  if port == nil and not find(tostring(host), "unix:", 1, true) then
    return nil, "missing the port number"
  end
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

-- { scheme, host, port, path, query } of a URI, and the whole at 0; the query stays with the path unless told
-- otherwise.
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
  parts[1], parts[3] = scheme, port
  parts[4] = parts[4] ~= "" and parts[4] or "/"
  if query_in_path and parts[5] ~= "" then
    parts[4], parts[5] = parts[4] .. "?" .. parts[5], nil
  end
  return parts, nil
end

return _M
