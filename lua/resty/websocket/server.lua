-- resty.websocket.server: the server's end of a WebSocket.
--
-- It speaks on the raw connection of the client; where the gateway does not give that away, `new`
-- answers nil and the reason.
local protocol = require "resty.websocket.protocol"

local ngx = ngx
local encode_base64, sha1_bin = ngx.encode_base64, ngx.sha1_bin
local lower, find = string.lower, string.find
local setmetatable, tostring, type = setmetatable, tostring, type

local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

local _M = { _VERSION = "0.13" }
local mt = { __index = _M }

protocol.install(_M, function(self) return self.send_masked end, true)


local function first(value)
  return type(value) == "table" and value[1] or value
end

-- The key of a request that asks for an upgrade, or why it does not.
local function key_of(headers)
  if lower(tostring(first(headers.upgrade))) ~= "websocket" then
    return nil, "bad \"upgrade\" request header: " .. tostring(headers.upgrade)
  end
  local connection = first(headers.connection)
  if not connection or not find(lower(connection), "upgrade", 1, true) then
    return nil, "bad \"connection\" request header: " .. tostring(connection)
  end
  local key = first(headers["sec-websocket-key"])
  if not key then
    return nil, "bad \"sec-websocket-key\" request header: nil"
  end
  if tostring(first(headers["sec-websocket-version"])) ~= "13" then
    return nil, "bad \"sec-websocket-version\" request header: " .. tostring(headers["sec-websocket-version"])
  end
  return key
end


function _M.new(_, opts)
  opts = opts or {}
  if ngx.headers_sent then
    return nil, "response header already sent"
  end
  ngx.req.read_body()
  if ngx.req.http_version() ~= 1.1 then
    return nil, "bad http version"
  end
  local headers = ngx.req.get_headers()
  local key, err = key_of(headers)
  if not key then
    return nil, err
  end
  local sock
  sock, err = ngx.req.socket(true)
  if not sock then
    return nil, err
  end
  local names = first(headers["sec-websocket-protocol"])
  if names then
    ngx.header["Sec-WebSocket-Protocol"] = names
  end
  ngx.header["Upgrade"] = "websocket"
  ngx.header["Connection"] = "Upgrade"
  ngx.header["Sec-WebSocket-Accept"] = encode_base64(sha1_bin(key .. GUID))
  ngx.header["Content-Type"] = nil
  ngx.status = 101
  local ok
  ok, err = ngx.send_headers()
  if not ok then
    return nil, "failed to send response header: " .. tostring(err)
  end
  ngx.flush(true)
  local self = protocol.over(sock, opts)
  self.send_masked = opts.send_masked
  return setmetatable(self, mt)
end


return _M
