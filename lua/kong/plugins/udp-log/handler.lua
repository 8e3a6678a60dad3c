-- udp-log: sends each request as JSON in a datagram.

local cjson = require "cjson"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"

local kong, ngx = kong, ngx

local UdpLog = {
  VERSION = kong_meta.version,
  PRIORITY = 8,
}


local function send(premature, conf, text)
  if premature then
    return
  end
  local server = conf.host .. ":" .. conf.port .. ": "
  local socket = ngx.socket.udp()
  socket:settimeout(conf.timeout)
  local ok, err = socket:setpeername(conf.host, conf.port)
  if not ok then
    kong.log.err("could not connect to ", server, err)
    socket:close()
    return
  end
  ok, err = socket:send(text)
  if ok then
    kong.log.debug("sent: ", text)
  else
    kong.log.err("could not send data to ", server, err)
  end
  ok, err = socket:close()
  if not ok then
    kong.log.err("could not close ", server, err)
  end
end


function UdpLog:log(conf)
  local ok, err = ngx.timer.at(0, send, conf, cjson.encode(log_entry.of(conf)))
  if not ok then
    kong.log.err("could not create timer: ", err)
  end
end


return UdpLog
