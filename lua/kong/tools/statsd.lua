-- Metrics in the protocol of StatsD, and where they are sent.

local clear = require "table.clear"

local kong, ngx = kong, ngx
local concat, fmt = table.concat, string.format
local ipairs, setmetatable, tostring = ipairs, setmetatable, tostring

-- Milliseconds to connect and to send over TCP, each.
local TCP_TIMEOUT = 1000

-- What a kind of metric is written as.
local KINDS = { gauge = "g", counter = "c", timer = "ms", histogram = "h", meter = "m", set = "s",
                distribution = "d" }

-- How tags are written, by the product that reads them: what joins name and value of a tag, and the form of
-- name, value with kind and rate, and all tags.
local STYLES = {
  dogstatsd = { joins = ":", form = "%s:%s|#%s", last = true },
  influxdb = { joins = "=", form = "%s,%s:%s" },
  librato = { joins = "=", form = "%s#%s:%s" },
  signalfx = { joins = "=", form = "%s[%s]:%s" },
}

local Statsd = { KINDS = KINDS }
Statsd.__index = Statsd


-- A metric's line. `tags` is a list of texts or of { name, value }, or nil.
function Statsd.line(name, value, kind, rate, tags, style)
  local text = tostring(value) .. "|" .. KINDS[kind]
  if rate and rate ~= 1 then
    text = text .. "|@" .. rate
  end
  style = STYLES[style]
  if not tags or not tags[1] or not style then
    return name .. ":" .. text
  end
  local list = {}
  for i, tag in ipairs(tags) do
    list[i] = tag[2] and tag[1] .. style.joins .. tag[2] or tag
  end
  local all = concat(list, ",")
  if style.last then
    return fmt(style.form, name, text, all)
  end
  return fmt(style.form, name, all, text)
end


-- Opens the way to a server. `options`: `tcp`, and `packet_size`, up to which lines share a datagram.
function Statsd.open(host, port, options)
  options = options or {}
  local socket, ok, err
  if options.tcp then
    socket = ngx.socket.tcp()
    socket:settimeout(TCP_TIMEOUT)
    ok, err = socket:connect(host, port)
  else
    socket = ngx.socket.udp()
    ok, err = socket:setpeername(host, port)
  end
  if not ok then
    return nil, fmt("failed to connect to %s:%s: %s", host, port, err)
  end
  return setmetatable({
    socket = socket, server = host .. ":" .. port, tcp = options.tcp,
    packet_size = not options.tcp and options.packet_size or 0, waiting = {}, size = 0,
  }, Statsd)
end


local function transmit(self, text, what)
  kong.log.debug("sending ", what, " to statsd server: ", text)
  local ok, err = self.socket:send(self.tcp and text .. "\n" or text)
  if not ok then
    kong.log.err("failed to send ", what, " to ", self.server, ": ", err)
  end
end


-- Sends lines that wait for company.
local function flush(self, what)
  if self.waiting[1] then
    transmit(self, concat(self.waiting, "\n"), what)
    clear(self.waiting)
    self.size = 0
  end
end


function Statsd:send(line)
  if self.packet_size == 0 then
    return transmit(self, line, "data")
  end
  if self.size + #line > self.packet_size then
    if not self.waiting[1] then
      kong.log.warn("configured udp_packet_size is smaller than single message of length ", #line,
                    ", UDP packet may be truncated")
    end
    flush(self, "data")
  end
  self.waiting[#self.waiting + 1] = line
  self.size = self.size + #line + 1
end


function Statsd:close()
  if self.tcp then
    self.socket:setkeepalive()
    return
  end
  flush(self, "last data")
  local ok, err = self.socket:close()
  if not ok then
    kong.log.err("failed to close connection from ", self.server, ": ", err)
  end
end


return Statsd
