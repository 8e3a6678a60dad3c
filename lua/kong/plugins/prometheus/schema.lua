local typedefs = require "kong.db.schema.typedefs"

local function flag(description)
  return { description = description, type = "boolean", default = false }
end

local function check_dictionary()
  if not ngx.shared.prometheus_metrics then
    return nil, "ngx shared dict 'prometheus_metrics' not found"
  end
  return true
end

local config = {
  type = "record",
  custom_validator = check_dictionary,
  fields = {
    { per_consumer = flag "Whether requests and bytes are told apart by consumer." },
    { status_code_metrics = flag "Whether requests are counted, by status: `http_requests_total`." },
    { ai_metrics = flag "Whether what language models were asked is counted: `ai_llm_…`." },
    { latency_metrics = flag "Whether times are measured: `kong_latency_ms` and the like." },
    { bandwidth_metrics = flag "Whether bytes are counted: `bandwidth_bytes`." },
    { upstream_health_metrics = flag "Whether the health of targets is told: `upstream_target_health`." },
  },
}

return {
  name = "prometheus",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
