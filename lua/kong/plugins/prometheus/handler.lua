-- prometheus: counts requests, and shows the counts at `/metrics` of the Admin and the Status API.

local exporter = require "kong.plugins.prometheus.exporter"
local kong_meta = require "kong.meta"

local kong, ngx = kong, ngx
local tonumber = tonumber

local IS_HTTP = ngx.config.subsystem == "http"

exporter.init()

local Prometheus = {
  VERSION = kong_meta.version,
  PRIORITY = 13,
}


function Prometheus:init_worker()
  exporter.init_worker()
end


function Prometheus:configure(configs)
  exporter.configure(configs)
end


-- Bytes that came and went.
local function sizes(entry)
  if IS_HTTP then
    return entry.request and tonumber(entry.request.size), entry.response and tonumber(entry.response.size)
  end
  return entry.session and tonumber(entry.session.received), entry.session and tonumber(entry.session.sent)
end


function Prometheus:log(conf)
  local entry, measured = kong.log.serialize(), {}
  local answer = IS_HTTP and entry.response or entry.session
  if conf.per_consumer and entry.consumer then
    measured.consumer = entry.consumer.username
  end
  if conf.status_code_metrics and answer then
    measured.status_code = answer.status
  end
  if conf.bandwidth_metrics then
    measured.ingress_size, measured.egress_size = sizes(entry)
  end
  measured.latencies = conf.latency_metrics and entry.latencies or nil
  measured.ai_metrics = conf.ai_metrics and entry.ai or nil
  exporter.log(entry, measured)
end


return Prometheus
