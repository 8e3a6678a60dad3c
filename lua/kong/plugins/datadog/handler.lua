-- datadog: sends metrics of requests to a Datadog agent.

local kong_meta = require "kong.meta"
local Queue = require "kong.tools.queue"
local replace_dashes = require("kong.tools.string").replace_dashes
local Statsd = require "kong.tools.statsd"

local kong = kong
local null = ngx.null
local getenv, gsub, ipairs, tonumber = os.getenv, string.gsub, ipairs, tonumber

-- The agent of a configuration that names none.
local AGENT_HOST = getenv("KONG_DATADOG_AGENT_HOST")
local AGENT_PORT = tonumber(getenv("KONG_DATADOG_AGENT_PORT") or "")

local Datadog = {
  VERSION = kong_meta.version,
  PRIORITY = 10,
}

-- Metric → its name, and the value in an entry.
local METRICS = {
  request_size = { "request.size", function(entry) return entry.request and entry.request.size end },
  response_size = { "response.size", function(entry) return entry.response and entry.response.size end },
  latency = { "latency", function(entry) return entry.latencies.request end },
  upstream_latency = { "upstream_latency", function(entry) return entry.latencies.proxy end },
  kong_latency = { "kong_latency", function(entry) return entry.latencies.kong end },
  request_count = { "request.count", function() return 1 end },
}


local function present(value)
  return value ~= null and value or nil
end


local function consumer_of(entry, identifier)
  local consumer = entry.consumer
  if not consumer or not identifier then
    return nil
  elseif identifier == "consumer_id" then
    return replace_dashes(consumer.id)
  end
  return present(consumer[identifier])
end


local function tags_of(conf, metric, entry)
  local service = entry.service
  local name = service and gsub(present(service.name) or service.host, "%.", "_") or ""
  local tags = {
    { conf.service_name_tag or "name", name },
    { conf.status_tag or "status", entry.response and entry.response.status or "-" },
  }
  local consumer = consumer_of(entry, metric.consumer_identifier)
  if consumer then
    tags[3] = { conf.consumer_tag or "consumer", consumer }
  end
  for _, tag in ipairs(metric.tags or {}) do
    tags[#tags + 1] = tag
  end
  return tags
end


local function send_all(client, conf, entry)
  for _, metric in ipairs(conf.metrics) do
    local measured = METRICS[metric.name]
    local value = measured[2](entry)
    if value then
      local name = (conf.prefix or "kong") .. "." .. measured[1]
      client:send(Statsd.line(name, value, metric.stat_type, metric.sample_rate, tags_of(conf, metric, entry),
                              "dogstatsd"))
    end
  end
end


local function send(conf, entries)
  local client, err = Statsd.open(conf.host or AGENT_HOST, conf.port or AGENT_PORT)
  if not client then
    kong.log.err("failed to create Statsd logger: ", err)
    return false, err
  end
  for _, entry in ipairs(entries) do
    send_all(client, conf, entry)
  end
  client:close()
  return true
end


function Datadog:log(conf)
  local queue = Queue.get_plugin_params("datadog", conf)
  local ok, err = Queue.enqueue(queue, send, conf, kong.log.serialize())
  if not ok then
    kong.log.err("failed to enqueue log entry to Datadog: ", err)
  end
end


return Datadog
