-- loggly: sends each request as JSON to Loggly, in a datagram of the syslog protocol (RFC 5424).

local cjson = require "cjson"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"
local severity = require "kong.tools.severity"

local kong, ngx = kong, ngx
local concat, date, fmt, ipairs = table.concat, os.date, string.format, ipairs

-- Facility `user`, before the three bits of the severity.
local FACILITY = 1 * 8
-- The private enterprise number that Loggly's tokens are qualified with.
local ENTERPRISE = 41058

local Loggly = {
  VERSION = kong_meta.version,
  PRIORITY = 6,
}


local function datagram(conf, rank, entry)
  local data = { conf.key .. "@" .. ENTERPRISE }
  for _, tag in ipairs(conf.tags) do
    data[#data + 1] = 'tag="' .. tag .. '"'
  end
  return fmt("<%d>1 %s %s kong - - [%s] %s", FACILITY + rank, date("!%Y-%m-%dT%XZ"), kong.node.get_hostname(),
             concat(data, " "), cjson.encode(entry))
end


local function send(premature, conf, text)
  if premature then
    return
  end
  local server = conf.host .. ":" .. conf.port .. ": "
  local socket = ngx.socket.udp()
  socket:settimeout(conf.timeout)
  local ok, err = socket:setpeername(conf.host, conf.port)
  if not ok then
    kong.log.err("failed to connect to ", server, err)
    socket:close()
    return
  end
  ok, err = socket:send(text)
  if not ok then
    kong.log.err("failed to send data to ", server, err)
  end
  ok, err = socket:close()
  if not ok then
    kong.log.err("failed to close connection from ", server, err)
  end
end


function Loggly:log(conf)
  local entry = log_entry.of(conf)
  local rank = severity.of(conf, entry)
  if not rank then
    return
  end
  local ok, err = ngx.timer.at(0, send, conf, datagram(conf, rank, entry))
  if not ok then
    kong.log.err("failed to create timer: ", err)
  end
end


return Loggly
