-- tcp-log: sends each request as a line of JSON over TCP.

local cjson = require "cjson"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"

local kong, ngx = kong, ngx

local TcpLog = {
  VERSION = kong_meta.version,
  PRIORITY = 7,
}


-- Opens a connection or takes an idle one. Answers nil and what could not be done.
local function open(conf)
  local socket = ngx.socket.tcp()
  socket:settimeout(conf.timeout)

  local failed = "failed to connect to "
  local ok, err = socket:connect(conf.host, conf.port)
  local uses = 0
  if ok then
    failed = "failed to get socket reused time to "
    uses, err = socket:getreusedtimes()
    ok = uses
  end
  if ok and conf.tls and uses == 0 then
    failed = "failed to perform TLS handshake to "
    ok, err = socket:sslhandshake(false, conf.tls_sni, false)
  end
  if not ok then
    socket:close()
    return nil, failed, err
  end
  return socket
end


local function send(premature, conf, line)
  if premature then
    return
  end
  local server = conf.host .. ":" .. conf.port .. ": "
  local socket, failed, err = open(conf)
  if not socket then
    kong.log.err(failed, server, err)
    return
  end
  local ok
  ok, err = socket:send(line)
  if not ok then
    kong.log.err("failed to send data to ", server, err)
  end
  ok, err = socket:setkeepalive(conf.keepalive)
  if not ok then
    kong.log.err("failed to keepalive to ", server, err)
    socket:close()
  end
end


function TcpLog:log(conf)
  local ok, err = ngx.timer.at(0, send, conf, cjson.encode(log_entry.of(conf)) .. "\n")
  if not ok then
    kong.log.err("failed to create timer: ", err)
  end
end


return TcpLog
