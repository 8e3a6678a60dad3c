local Schema = require "kong.db.schema"
local typedefs = require "kong.db.schema.typedefs"

-- Tags that the plugin itself sets.
local TAKEN = { "error", "http.method", "http.path", "http.status_code", "kong.balancer.state",
                "kong.balancer.try", "kong.consumer", "kong.credential", "kong.node.id", "kong.route",
                "kong.service", "lc", "peer.hostname" }

local DEFAULT_FORMATS = { "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp" }
local FORMATS = { "preserve", "ignore" }
for i, name in ipairs(DEFAULT_FORMATS) do
  FORMATS[i + 2] = name
end

local tag = Schema.define {
  type = "record",
  fields = {
    { name = { type = "string", required = true, not_one_of = TAKEN } },
    { value = { type = "string", required = true } },
  },
}

local function check_tags(tags)
  local seen = {}
  for _, item in ipairs(type(tags) == "table" and tags or {}) do
    if seen[item.name] then
      return nil, "repeated tags are not allowed: " .. item.name
    end
    seen[item.name] = true
  end
  return true
end

local function choice(default, allowed, description)
  return { description = description, type = "string", required = true, default = default, one_of = allowed }
end

local function old(field, default, name, successor)
  field.deprecation = {
    message = "zipkin: config." .. name .. " is deprecated, please use config." .. successor .. " instead",
    removal_in_version = "4.0", old_default = default,
  }
  return field
end

local config = {
  type = "record",
  fields = {
    { local_service_name = {
        description = "What Zipkin calls this gateway.", type = "string", required = true, default = "kong",
    } },
    { http_endpoint = typedefs.url },
    { sample_ratio = {
        description = "The share of requests that are traced of those that do not say themselves.",
        type = "number", default = 0.001, between = { 0, 1 },
    } },
    { default_service_name = {
        description = "What Zipkin calls upstreams whose service has no name.", type = "string",
    } },
    { include_credential = {
        description = "Whether the id of the credential is told.",
        type = "boolean", required = true, default = true,
    } },
    { traceid_byte_count = {
        description = "How long new trace ids are, in bytes.",
        type = "integer", required = true, default = 16, one_of = { 8, 16 },
    } },
    { header_type = old(choice("preserve", FORMATS, "Replaced by `propagation`."), "preserve", "header_type",
                        "propagation options") },
    { default_header_type = old(choice("b3", DEFAULT_FORMATS, "Replaced by `propagation.default_format`."),
                                "b3", "default_header_type", "propagation.default_format") },
    { tags_header = {
        description = "The header of requests that has further tags, as `name=value; name=value`.",
        type = "string", required = true, default = "Zipkin-Tags",
    } },
    { static_tags = {
        description = "Tags of all requests.", type = "array", elements = tag, custom_validator = check_tags,
    } },
    { http_span_name = choice("method", { "method", "method_path" },
                              "What spans are called by: the method, or method and path.") },
    { connect_timeout = typedefs.timeout { default = 2000 } },
    { send_timeout = typedefs.timeout { default = 5000 } },
    { read_timeout = typedefs.timeout { default = 5000 } },
    { http_response_header_for_traceid = { type = "string" } },
    { phase_duration_flavor = choice("annotations", { "annotations", "tags" },
                                     "How the times of the phases are told.") },
    { queue = typedefs.queue },
    { propagation = typedefs.propagation { default = { default_format = "b3" } } },
  },
}

return {
  name = "zipkin",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
