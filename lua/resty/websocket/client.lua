-- resty.websocket.client: the client's end of a WebSocket.
local protocol = require "resty.websocket.protocol"
local random_bytes = require("resty.random").bytes

local ngx = ngx
local encode_base64, re_match, tcp = ngx.encode_base64, ngx.re.match, ngx.socket.tcp
local concat, sub = table.concat, string.sub
local ipairs, setmetatable, tostring, type = ipairs, setmetatable, tostring, type

local URI = [[^(wss?)://((?:[^\[\]:/]+)|\[(?:.+)\])(?::(\d+))?(.*)]]

local _M = { _VERSION = "0.13" }
local mt = { __index = _M }

protocol.install(_M, function(self) return not self.send_unmasked end, false)


function _M.new(_, opts)
  opts = opts or {}
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  local self = protocol.over(sock, opts)
  self.send_unmasked = opts.send_unmasked
  return setmetatable(self, mt)
end


local function read_uri(uri)
  local parts, err = re_match(uri, URI, "joi")
  if not parts then
    return nil, err and "failed to match the uri: " .. err or "bad websocket uri"
  end
  local tls = parts[1] == "wss"
  local path = parts[4] ~= "" and parts[4] or "/"
  if sub(path, 1, 1) ~= "/" then
    path = "/" .. path
  end
  return { tls = tls, host = parts[2], port = parts[3] or (tls and 443 or 80), path = path }
end


local function list(values)
  return type(values) == "table" and concat(values, ",") or values
end


local function handshake(self, to, opts)
  local key = opts.key or encode_base64(random_bytes(16))
  local lines = {
    "GET " .. to.path .. " HTTP/1.1",
    "Upgrade: websocket",
    "Host: " .. (opts.host or (to.host .. ":" .. to.port)),
    "Sec-WebSocket-Key: " .. key,
    opts.protocols and "Sec-WebSocket-Protocol: " .. list(opts.protocols) or nil,
  }
  local function add(line)
    lines[#lines + 1] = line
  end
  add "Sec-WebSocket-Version: 13"
  if opts.origin then
    add("Origin: " .. opts.origin)
  end
  add "Connection: Upgrade"
  for _, line in ipairs(opts.headers or {}) do
    add(line)
  end
  local sent, err = self.sock:send(concat(lines, "\r\n") .. "\r\n\r\n")
  if not sent then
    return nil, "failed to send the handshake request: " .. err
  end
  local head
  head, err = self.sock:receiveuntil("\r\n\r\n")()
  if not head then
    return nil, "failed to receive response header: " .. err
  end
  if not re_match(head, [[^\s*HTTP/1\.1\s+]], "jo") then
    return nil, "bad HTTP response status line: " .. head
  end
  if not re_match(head, [[^\s*HTTP/1\.1\s+101\b]], "jo") then
    return nil, "unexpected HTTP response code: " .. tostring(head:match("^%S+%s+(%d+)")), head
  end
  return 1, nil, head
end


function _M:connect(uri, opts)
  local sock = self.sock
  if not sock then
    return nil, "not initialized"
  end
  opts = opts or {}
  local to, err = read_uri(uri)
  if not to then
    return nil, err
  end
  if (opts.client_cert or opts.client_priv_key) and not (opts.client_cert and opts.client_priv_key) then
    return nil, "client_cert must be provided with client_priv_key"
  end
  local ok
  ok, err = sock:connect(to.host, to.port, {
    pool = opts.pool, pool_size = opts.pool_size, backlog = opts.backlog,
  })
  if not ok then
    return nil, "failed to connect: " .. err
  end
  if to.tls then
    if opts.client_cert then
      ok, err = sock:setclientcert(opts.client_cert, opts.client_priv_key)
      if not ok then
        return nil, "failed to set TLS client certificate: " .. err
      end
    end
    ok, err = sock:sslhandshake(false, opts.server_name or to.host, opts.ssl_verify)
    if not ok then
      return nil, "ssl handshake failed: " .. err
    end
  end
  local count
  count, err = sock:getreusedtimes()
  if not count then
    return nil, "failed to get reused times: " .. tostring(err)
  end
  if count > 0 then
    return 1, nil, "connection reused"
  end
  return handshake(self, to, opts)
end


function _M:set_keepalive(...)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:setkeepalive(...)
end


function _M:close()
  if self.fatal then
    return nil, "fatal error already happened"
  end
  if not self.sock then
    return nil, "not initialized"
  end
  if not self.closed then
    local sent, err = self:send_close()
    if not sent then
      return nil, "failed to send close frame: " .. err
    end
  end
  return self.sock:close()
end


return _M
