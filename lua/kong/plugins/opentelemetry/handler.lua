-- opentelemetry: sends the spans of requests and what they log to collectors, and lets traces go on upstream.

local dynamic_hook = require "kong.dynamic_hook"
local http = require "resty.http"
local kong_meta = require "kong.meta"
local logs = require "kong.observability.logs"
local otlp = require "kong.observability.otlp"
local propagation = require "kong.observability.tracing.propagation"
local Queue = require "kong.tools.queue"
local to_hex = require("resty.string").to_hex
local tracing_context = require "kong.observability.tracing.tracing_context"

local kong, ngx = kong, ngx
-- What this plugin itself has to say while it exports is not to be exported.
local native_log = native_ngx_log
local bor = bit.bor
local ipairs, lower, pairs, tostring = ipairs, string.lower, pairs, tostring

local OpenTelemetry = {
  VERSION = kong_meta.version,
  PRIORITY = 14,
}


-- ---- the trace ------------------------------------------------------------------------------

local function root_of_request()
  local spans = ngx.ctx.KONG_SPANS
  return spans and spans[1]
end


-- The tracer; one of our own where tracing is off, and what we make then is not sent.
local function tracer_and_root()
  local tracer = kong.tracing.name == "noop" and kong.tracing.new("otel") or kong.tracing
  local root = root_of_request()
  if not root then
    root = tracer.start_span("root")
    root:set_attribute("kong.propagation_only", true)
    kong.ctx.plugin.should_sample = false
  end
  return tracer, root
end


local function decide(tracer, context, conf)
  if kong.ctx.plugin.should_sample == false then
    return false
  end
  local sampled, err = tracer:get_sampling_decision(context.should_sample, conf.sampling_rate)
  if err then
    kong.log.err("[otel] sampler failure: ", err)
  end
  return sampled
end


-- Joins the trace that came with the request, and answers it as the upstream is to have it.
local function join(context, conf)
  local tracer, root = tracer_and_root()
  local span = tracing_context.get_unlinked_span("balancer") or root
  if context.trace_id then
    span.trace_id = context.trace_id
    tracing_context.set_raw_trace_id(context.trace_id)
  end
  root.parent_id = context.span_id or context.parent_id or root.parent_id

  -- the decision hangs on the trace id
  local sampled = decide(tracer, context, conf)
  tracer:set_should_sample(sampled)
  span.should_sample = sampled
  local flags = context.w3c_flags or context.flags or 0
  tracing_context.set_flags(bor(flags, sampled and 1 or 0))

  context.trace_id, context.span_id = span.trace_id, span.span_id
  context.parent_id, context.should_sample = span.parent_id, sampled
  return context
end


function OpenTelemetry:configure(configs)
  dynamic_hook.disable_by_default("observability_logs")
  for _, conf in ipairs(configs or {}) do
    if conf.logs_endpoint then
      dynamic_hook.hook("observability_logs", "push", logs.maybe_push)
      dynamic_hook.enable_by_default("observability_logs")
    end
  end
end


function OpenTelemetry:access(conf)
  if conf.traces_endpoint then
    propagation.propagate(propagation.get_plugin_params(conf), join, conf)
  end
end


function OpenTelemetry:header_filter(conf)
  local name = conf.traces_endpoint and conf.http_response_header_for_traceid
  if not name then
    return
  end
  local root = root_of_request()
  local trace_id = tracing_context.get_raw_trace_id() or root and root.trace_id
  if trace_id then
    kong.response.add_header(name, to_hex(trace_id))
  end
end


-- ---- sending --------------------------------------------------------------------------------

local function headers_of(conf)
  local headers, has_type = {}, false
  for name, value in pairs(conf.headers or {}) do
    headers[name] = value
    has_type = has_type or lower(name) == "content-type"
  end
  if not has_type then
    headers["Content-Type"] = "application/x-protobuf"
  end
  return headers
end


-- Posts what was encoded; `count` and `what` are for the log.
local function post(conf, endpoint, body, count, what)
  local client = http.new()
  client:set_timeouts(conf.connect_timeout, conf.send_timeout, conf.read_timeout)
  local response, err = client:request_uri(endpoint, {
    method = "POST", headers = headers_of(conf), body = body,
  })
  if not response then
    err = "failed to send request: " .. err
  elseif response.status ~= 200 then
    err = "response error: " .. response.status .. ", body: " .. tostring(response.body)
  end
  if err then
    native_log(ngx.ERR, "[otel] ", err)
    return false, err
  end
  native_log(ngx.DEBUG, "[otel] exporter sent ", count, " ", what, " to ", endpoint)
  return true
end


local function send_spans(conf, spans)
  local body = otlp.encode_traces(spans, conf.resource_attributes)
  return post(conf, conf.traces_endpoint, body, #spans, "spans")
end


local function send_logs(conf, entries)
  local body = otlp.encode_logs(entries, conf.resource_attributes)
  return post(conf, conf.logs_endpoint, body, #entries, "logs")
end


-- A queue's parameters, under another name than others of this plugin have.
local function queue_of(conf, what)
  local queue = {}
  for name, value in pairs(Queue.get_plugin_params("opentelemetry", conf)) do
    queue[name] = value
  end
  queue.name = queue.name .. ":" .. what
  return queue
end


local function export_spans(conf)
  if kong.ctx.plugin.should_sample == false then
    return
  end
  local spans = ngx.ctx.KONG_SPANS
  kong.log.debug("[otel] total spans in current request: ", spans and #spans or 0)
  local trace_id, queue = tracing_context.get_raw_trace_id(), queue_of(conf, "traces")
  kong.tracing.process_span(function(span)
    if span.should_sample == false then
      return
    end
    span.trace_id = trace_id or span.trace_id
    local ok, err = Queue.enqueue(queue, send_spans, conf, otlp.encode_span(span))
    if not ok then
      kong.log.err("Failed to enqueue span to log server: ", err)
    end
  end)
end


local function export_logs(conf)
  local of_worker, of_request = logs.get_worker_logs(), logs.get_request_logs()
  native_log(ngx.DEBUG, "[otel] total request_logs in current request: ", #of_request,
             " total worker_logs in current request: ", #of_worker)
  local queue = queue_of(conf, "logs")
  local function enqueue(entries)
    for _, entry in ipairs(entries) do
      -- What is new is worth no more than what waits: it goes where there is no room for it.
      if Queue.can_enqueue(queue, entry) then
        Queue.enqueue(queue, send_logs, conf, entry)
      end
    end
  end
  enqueue(otlp.prepare_logs(of_worker))
  enqueue(otlp.prepare_logs(of_request, tracing_context.get_raw_trace_id(), tracing_context.get_flags()))
end


function OpenTelemetry:log(conf)
  if conf.traces_endpoint then
    export_spans(conf)
  end
  if conf.logs_endpoint then
    export_logs(conf)
  end
end


return OpenTelemetry
