local old_queue_fields = require "kong.tools.old_queue_fields"
local typedefs = require "kong.db.schema.typedefs"

local CONSUMERS = { "consumer_id", "custom_id", "username" }
local SERVICES = { "service_id", "service_name", "service_host", "service_name_or_host" }
local WORKSPACES = { "workspace_id", "workspace_name" }

-- The metrics of a configuration that names none, with their kinds.
local DEFAULTS = {
  { "request_count", "counter" }, { "latency", "timer" }, { "request_size", "counter" },
  { "status_count", "counter" }, { "response_size", "counter" }, { "unique_users", "set" },
  { "request_per_user", "counter" }, { "upstream_latency", "timer" }, { "kong_latency", "timer" },
  { "status_count_per_user", "counter" }, { "status_count_per_workspace", "counter" },
  { "status_count_per_user_per_route", "counter" }, { "shdict_usage", "gauge" },
}

-- In the order in which errors tell them.
local NAMES = { "kong_latency", "latency", "request_count", "request_per_user", "request_size",
                "response_size", "status_count", "status_count_per_user", "unique_users",
                "upstream_latency", "status_count_per_workspace", "status_count_per_user_per_route",
                "shdict_usage" }

local metrics = {}
for i, row in ipairs(DEFAULTS) do
  local kind = row[2]
  metrics[i] = { name = row[1], stat_type = kind,
                 sample_rate = (kind == "counter" or kind == "gauge") and 1 or nil }
end

local metric = {
  type = "record",
  fields = {
    { name = { description = "What is measured.", type = "string", required = true, one_of = NAMES } },
    { stat_type = {
        description = "The kind of metric that it is sent as.",
        type = "string", required = true,
        one_of = { "counter", "gauge", "histogram", "meter", "set", "timer" },
    } },
    { sample_rate = { description = "The rate that is told.", type = "number", gt = 0 } },
    { consumer_identifier = {
        description = "What consumers are called by.", type = "string", one_of = CONSUMERS,
    } },
    { service_identifier = {
        description = "What services are called by.", type = "string", one_of = SERVICES,
    } },
    { workspace_identifier = {
        description = "What workspaces are called by.", type = "string", one_of = WORKSPACES,
    } },
  },
  entity_checks = { { conditional = {
    if_field = "stat_type", if_match = { one_of = { "counter", "gauge" } },
    then_field = "sample_rate", then_match = { required = true },
  } } },
}

local function default_identifier(default, allowed)
  return { type = "string", required = true, default = default, one_of = allowed }
end

local retry_count, queue_size, flush_timeout = old_queue_fields "statsd"

local config = {
  type = "record",
  fields = {
    { host = typedefs.host { default = "localhost", description = "Name or address of the server." } },
    { port = typedefs.port { default = 8125, description = "The server's port." } },
    { prefix = { description = "What all names begin with.", type = "string", default = "kong" } },
    { metrics = {
        description = "What is measured, and how.", type = "array", default = metrics, elements = metric,
    } },
    { allow_status_codes = {
        description = "Ranges of status codes, as `200-299`; other requests are left out.",
        type = "array", elements = { type = "string", match = "^[0-9]+-[0-9]+$" },
    } },
    { udp_packet_size = { type = "number", between = { 0, 65507 }, default = 0 } },
    { use_tcp = { type = "boolean", default = false } },
    { hostname_in_prefix = { type = "boolean", default = false } },
    { consumer_identifier_default = default_identifier("custom_id", CONSUMERS) },
    { service_identifier_default = default_identifier("service_name_or_host", SERVICES) },
    { workspace_identifier_default = default_identifier("workspace_id", WORKSPACES) },
    retry_count,
    queue_size,
    flush_timeout,
    { tag_style = {
        type = "string", required = false, one_of = { "dogstatsd", "influxdb", "librato", "signalfx" },
    } },
    { queue = typedefs.queue },
  },
}

return {
  name = "statsd",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
