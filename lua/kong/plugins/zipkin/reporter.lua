-- Sending spans to Zipkin, in batches.

local cjson = require("cjson").new()
local http = require "resty.http"
local Queue = require "kong.tools.queue"
local to_hex = require("resty.string").to_hex

local kong, ngx = kong, ngx
local find, next, pairs, tostring = string.find, next, pairs, tostring

-- Microseconds since 1970 have sixteen digits.
cjson.encode_number_precision(16)

local _M = {}


local function send(conf, entries)
  if conf.http_endpoint == nil or conf.http_endpoint == ngx.null then
    return true
  end
  kong.log.debug("zipkin batch size: ", #entries)
  local client = http.new()
  client:set_timeouts(conf.connect_timeout, conf.send_timeout, conf.read_timeout)
  local response, err = client:request_uri(conf.http_endpoint, {
    method = "POST", headers = { ["content-type"] = "application/json" }, body = cjson.encode(entries),
  })
  if not response then
    return nil, "zipkin request failed: " .. err
  elseif response.status < 200 or response.status >= 300 then
    local reason = tostring(response.reason)
    return nil, "zipkin server responded unexpectedly: " .. response.status .. " " .. reason
  end
  return true
end


local function remote_endpoint(conf, span)
  local name = span.service_name or conf.default_service_name
  if not span.port and not name then
    return cjson.null
  end
  local endpoint = { serviceName = name, port = span.port }
  if span.ip then
    endpoint[find(span.ip, ":", 1, true) and "ipv6" or "ipv4"] = span.ip
  end
  return endpoint
end


local function tags_of(span)
  local tags = {}
  for name, value in pairs(span.tags) do
    if value ~= "" then
      tags[name] = tostring(value)
    end
  end
  return next(tags) and tags or nil
end


-- Queues a span that has ended, if its trace is recorded.
function _M.report(conf, span)
  if not span.should_sample then
    return
  end
  local ok, err = Queue.enqueue(Queue.get_plugin_params("zipkin", conf), send, conf, {
    traceId = to_hex(span.trace_id), id = to_hex(span.span_id),
    parentId = span.parent_id and to_hex(span.parent_id) or nil,
    kind = span.kind, name = span.name, timestamp = span.timestamp, duration = span.duration,
    localEndpoint = { serviceName = conf.local_service_name },
    remoteEndpoint = remote_endpoint(conf, span),
    tags = tags_of(span), annotations = span.annotations,
  })
  if not ok then
    kong.log.err("failed to enqueue span: ", err)
  end
end


return _M
