local Schema = require "kong.db.schema"
local typedefs = require "kong.db.schema.typedefs"

local FORMATS = { "preserve", "ignore", "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "gcp", "datadog" }

local SCALAR = { string = true, number = true, boolean = true }

local function check_attributes(attributes)
  for _, value in pairs(attributes) do
    if not SCALAR[type(value)] then
      return nil, "invalid type of value: " .. type(value)
    elseif value == "" then
      return nil, "required field missing"
    end
  end
  return true
end

local attributes = Schema.define {
  description = "Attributes of this node, further ones and others for `service.name`, `service.version` and "
    .. "`service.instance.id`.",
  type = "map", custom_validator = check_attributes,
  keys = { type = "string", required = true },
  values = { type = "string", required = true },
}

local function old(kind, default, name, successor)
  local message = "opentelemetry: config.%s is deprecated, please use config.%s instead"
  return { description = "Replaced by `" .. successor .. "`.", type = kind, deprecation = {
    message = message:format(name, successor),
    removal_in_version = "4.0", old_default = default,
  } }
end

local header_type = old("string", "preserve", "header_type", "propagation options")
header_type.required, header_type.default, header_type.one_of = false, "preserve", FORMATS

local config = {
  type = "record",
  fields = {
    { traces_endpoint = typedefs.url { referenceable = true } },
    { logs_endpoint = typedefs.url { referenceable = true } },
    { headers = {
        description = "Headers of the requests to the endpoints.", type = "map",
        keys = typedefs.header_name, values = { type = "string", referenceable = true },
    } },
    { resource_attributes = attributes },
    { queue = typedefs.queue { default = { max_batch_size = 200 } } },
    { batch_span_count = old("integer", 200, "batch_span_count", "queue.max_batch_size") },
    { batch_flush_delay = old("integer", 3, "batch_flush_delay", "queue.max_coalescing_delay") },
    { connect_timeout = typedefs.timeout { default = 1000 } },
    { send_timeout = typedefs.timeout { default = 5000 } },
    { read_timeout = typedefs.timeout { default = 5000 } },
    { http_response_header_for_traceid = {
        description = "The header of responses that tells the trace id.", type = "string",
    } },
    { header_type = header_type },
    { sampling_rate = {
        description = "The share of requests that are traced, instead of `tracing_sampling_rate`.",
        type = "number", required = false, between = { 0, 1 },
    } },
    { propagation = typedefs.propagation { default = { default_format = "w3c" } } },
  },
  entity_checks = { { at_least_one_of = { "traces_endpoint", "logs_endpoint" } } },
  shorthand_fields = { { endpoint = typedefs.url {
    referenceable = true,
    deprecation = {
      message = "OpenTelemetry: config.endpoint is deprecated, please use config.traces_endpoint instead",
      removal_in_version = "4.0",
    },
    func = function(value)
      return { traces_endpoint = value }
    end,
  } } },
}

return {
  name = "opentelemetry",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
