local old_queue_fields = require "kong.tools.old_queue_fields"
local typedefs = require "kong.db.schema.typedefs"

local NAMES = { "kong_latency", "latency", "request_count", "request_size", "response_size",
                "upstream_latency" }

local defaults = {}
for i, name in ipairs { "request_count", "latency", "request_size", "response_size", "upstream_latency",
                        "kong_latency" } do
  local is_count = name == "request_count"
  defaults[i] = {
    name = name, stat_type = is_count and "counter" or "timer", sample_rate = is_count and 1 or nil,
    tags = { "app:kong" }, consumer_identifier = "custom_id",
  }
end

local metric = {
  type = "record",
  fields = {
    { name = { description = "What is measured.", type = "string", required = true, one_of = NAMES } },
    { stat_type = {
        description = "The kind of metric that it is sent as.",
        type = "string", required = true,
        one_of = { "counter", "gauge", "histogram", "meter", "set", "timer", "distribution" },
    } },
    { tags = {
        description = "Further tags, as `name:value`.",
        type = "array", elements = { type = "string", match = "^.*[^:]$" },
    } },
    { sample_rate = { description = "The rate that is told.", type = "number", between = { 0, 1 } } },
    { consumer_identifier = {
        description = "What the consumer is called by.",
        type = "string", one_of = { "consumer_id", "custom_id", "username" },
    } },
  },
  entity_checks = { { conditional = {
    if_field = "stat_type", if_match = { one_of = { "counter", "gauge" } },
    then_field = "sample_rate", then_match = { required = true },
  } } },
}

local function text(default, description)
  return { description = description, type = "string", default = default }
end

local retry_count, queue_size, flush_timeout = old_queue_fields "datadog"

local config = {
  type = "record",
  fields = {
    { host = typedefs.host { referenceable = true, default = "localhost" } },
    { port = typedefs.port { default = 8125 } },
    { prefix = text("kong", "What all names begin with.") },
    { service_name_tag = text("name", "The name of the tag with the service's name.") },
    { status_tag = text("status", "The name of the tag with the response's status.") },
    { consumer_tag = text("consumer", "The name of the tag with the consumer.") },
    retry_count,
    queue_size,
    flush_timeout,
    { queue = typedefs.queue },
    { metrics = {
        description = "What is measured, and how.",
        type = "array", required = true, default = defaults, elements = metric,
    } },
  },
}

return {
  name = "datadog",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
