-- What is counted of each request.

local kong = kong
local pairs, type = pairs, type

local MILLISECONDS = { 25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000 }
local GATEWAY_MILLISECONDS = { 1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000 }
local MODEL_MILLISECONDS = { 250, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 10000, 30000,
                             60000 }

local PLACE = { "service", "route", "workspace" }
local MODEL = { "ai_provider", "ai_model", "cache_status", "vector_db", "embeddings_provider",
                "embeddings_model", "workspace" }
local TOKENS = { "ai_provider", "ai_model", "cache_status", "vector_db", "embeddings_provider",
                 "embeddings_model", "token_type", "workspace" }

local _M = {}

local is_http = ngx.config.subsystem == "http"
local metrics, registry


local function define_places()
  if is_http then
    metrics.status = registry:counter("http_requests_total",
      "HTTP status codes per consumer/service/route in Kong",
      { "service", "route", "code", "source", "workspace", "consumer" })
    metrics.total = registry:histogram("request_latency_ms",
      "Total latency incurred during requests for each service/route in Kong", PLACE, MILLISECONDS)
    metrics.bandwidth = registry:counter("bandwidth_bytes",
      "Total bandwidth (ingress/egress) throughput in bytes",
      { "service", "route", "direction", "workspace", "consumer" })
  else
    metrics.status = registry:counter("stream_sessions_total",
      "Stream status codes per service/route in Kong", { "service", "route", "code", "source", "workspace" })
    metrics.total = registry:histogram("session_duration_ms",
      "latency incurred in stream session for each service/route in Kong", PLACE, MILLISECONDS)
    metrics.bandwidth = registry:counter("bandwidth_bytes",
      "Total bandwidth (ingress/egress) throughput in bytes",
      { "service", "route", "direction", "workspace" })
  end
end


-- Defines the metrics.
function _M.define(prometheus)
  registry = prometheus
  metrics = {
    gateway = registry:histogram("kong_latency_ms",
      "Latency added by Kong and enabled plugins for each service/route in Kong",
      PLACE, GATEWAY_MILLISECONDS),
    upstream = registry:histogram("upstream_latency_ms",
      "Latency added by upstream response for each service/route in Kong", PLACE, MILLISECONDS),
    model_requests = registry:counter("ai_llm_requests_total",
      "AI requests total per ai_provider in Kong", MODEL),
    model_cost = registry:counter("ai_llm_cost_total",
      "AI requests cost per ai_provider/cache in Kong", MODEL),
    model_tokens = registry:counter("ai_llm_tokens_total",
      "AI requests cost per ai_provider/cache in Kong", TOKENS),
    model_time = registry:histogram("ai_llm_provider_latency_ms",
      "LLM response Latency for each AI plugins per ai_provider in Kong", MODEL, MODEL_MILLISECONDS),
  }
  define_places()
end


local function add(metric, value, labels)
  if value and value > 0 then
    metric:inc(value, labels)
  end
end


local function observe(metric, value, labels)
  if value and value >= 0 then
    metric:observe(value, labels)
  end
end


local function count_model(use, workspace)
  local meta, cache, usage = use.meta or {}, use.cache or {}, use.usage or {}
  local labels = {
    meta.provider_name or "", meta.request_model or "", cache.cache_status or "", cache.vector_db or "",
    cache.embeddings_provider or "", cache.embeddings_model or "", workspace,
  }
  metrics.model_requests:inc(1, labels)
  add(metrics.model_cost, usage.cost, labels)
  if meta.llm_latency and meta.llm_latency > 0 then
    metrics.model_time:observe(meta.llm_latency, labels)
  end
  labels[8] = workspace
  for _, kind in pairs { "prompt_tokens", "completion_tokens", "total_tokens" } do
    labels[7] = kind
    add(metrics.model_tokens, usage[kind], labels)
  end
end


local function count_latencies(latencies, service, route, workspace)
  local labels = { service, route, workspace }
  observe(metrics.gateway, latencies.kong, labels)
  if is_http then
    observe(metrics.total, latencies.request, labels)
    observe(metrics.upstream, latencies.proxy, labels)
  else
    observe(metrics.total, latencies.session, labels)
  end
end


-- Counts a request. `measured` has what a configuration wants of its log entry: `consumer`, `status_code`,
-- `ingress_size`, `egress_size`, `latencies`, `ai_metrics`.
function _M.count(entry, measured)
  local route = entry.route and (entry.route.name or entry.route.id)
  if not route then
    return
  end
  local service = entry.service and (entry.service.name or entry.service.host) or ""
  local workspace = entry.workspace_name or ""
  local consumer
  if is_http then
    consumer = measured.consumer or ""
  end

  add(metrics.bandwidth, measured.ingress_size, { service, route, "ingress", workspace, consumer })
  add(metrics.bandwidth, measured.egress_size, { service, route, "egress", workspace, consumer })
  if measured.status_code then
    local source = kong.response.get_source() == "service" and "service" or "kong"
    metrics.status:inc(1, { service, route, measured.status_code, source, workspace, consumer })
  end
  if measured.latencies then
    count_latencies(measured.latencies, service, route, workspace)
  end
  for _, use in pairs(measured.ai_metrics or {}) do
    if type(use) == "table" then
      count_model(use, workspace)
    end
  end
  registry:sync_soon()
end


return _M
