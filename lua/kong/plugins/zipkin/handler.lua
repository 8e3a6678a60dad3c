-- zipkin: sends spans of requests to Zipkin, and lets traces go on upstream.

local kong_meta = require "kong.meta"
local propagation = require "kong.observability.tracing.propagation"
local reporter = require "kong.plugins.zipkin.reporter"
local to_hex = require("resty.string").to_hex
local traces = require "kong.plugins.zipkin.trace"

local kong, ngx = kong, ngx
local ipairs = ipairs

local IS_HTTP = ngx.config.subsystem == "http"

local Zipkin = {
  VERSION = kong_meta.version,
  PRIORITY = 100000,
}


local function annotates(conf)
  return conf.phase_duration_flavor == "annotations"
end


-- ---- while the request runs -----------------------------------------------------------------

local function join(context, conf)
  local trace = traces.of_request(conf, context)
  local span = traces.proxy_span(trace, traces.at("KONG_ACCESS_START", traces.now()))
  for _, field in ipairs { "trace_id", "span_id", "parent_id", "should_sample", "baggage" } do
    context[field] = span[field] or context[field] or nil
  end
  return context
end


local function header_filter(_, conf)
  local start = traces.at("KONG_HEADER_FILTER_START", traces.now())
  local span = traces.proxy_span(traces.of_request(conf), start)
  if annotates(conf) then
    span:annotate("khs", start)
  end
  if conf.http_response_header_for_traceid then
    kong.response.add_header(conf.http_response_header_for_traceid, to_hex(span.trace_id))
  end
end


-- The first part of the body shows that the headers are done.
local function body_filter(_, conf)
  local trace = traces.of_request(conf)
  if not trace.has_headers and annotates(conf) and trace.proxy then
    local now = traces.now()
    trace.proxy:annotate("khf", now)
    trace.proxy:annotate("kbs", now)
  end
  trace.has_headers = true
end


if IS_HTTP then
  function Zipkin:access(conf)
    propagation.propagate(propagation.get_plugin_params(conf), join, conf)
  end
  Zipkin.header_filter, Zipkin.body_filter = header_filter, body_filter
else
  function Zipkin:preread(conf)
    local start = traces.at("KONG_PREREAD_START", traces.now())
    local span = traces.proxy_span(traces.of_request(conf), start)
    if annotates(conf) then
      span:annotate("kps", start)
    end
  end
end


-- ---- when it is over ------------------------------------------------------------------------

local function annotate_phases(trace, now, done)
  local ctx, request, proxy = ngx.ctx, trace.request, trace.proxy
  if ctx.KONG_REWRITE_START and ctx.KONG_REWRITE_TIME then
    request:annotate("krf", (ctx.KONG_REWRITE_START + ctx.KONG_REWRITE_TIME) * 1000)
  end
  if not IS_HTTP then
    return proxy:annotate("kpf", traces.at("KONG_PREREAD_ENDED_AT", done))
  end
  request:annotate("krs", traces.at("KONG_REWRITE_START", request.timestamp))
  proxy:annotate("kas", traces.at("KONG_ACCESS_START", proxy.timestamp))
  proxy:annotate("kaf", traces.at("KONG_ACCESS_ENDED_AT", done))
  if not trace.has_headers then
    proxy:annotate("khf", now)
  end
  proxy:annotate("kbf", now)
end


local function tag_phases(trace)
  local ctx, proxy = ngx.ctx, trace.proxy
  if not IS_HTTP then
    return proxy:set_tag("kong.preread.duration_ms", ctx.KONG_PREREAD_TIME)
  end
  trace.request:set_tag("kong.rewrite.duration_ms", ctx.KONG_REWRITE_TIME)
  proxy:set_tag("kong.access.duration_ms", ctx.KONG_ACCESS_TIME)
  proxy:set_tag("kong.header_filter.duration_ms", ctx.KONG_HEADER_FILTER_TIME)
  proxy:set_tag("kong.body_filter.duration_ms", ctx.KONG_BODY_FILTER_TIME)
end


local function describe_end(conf, span)
  local consumer, credential = ngx.ctx.authenticated_consumer, ngx.ctx.authenticated_credential
  span:set_tag("http.status_code", IS_HTTP and kong.response.get_status() or nil)
  span:set_tag("kong.consumer", consumer and consumer.id)
  span:set_tag("kong.credential", conf.include_credential and credential and credential.id or nil)
  span:set_tag("kong.node.id", kong.node.get_id())
end


function Zipkin:log(conf)
  local now, trace = traces.now(), traces.of_request(conf)
  local proxy, request = traces.proxy_span(trace, now), trace.request
  local done = traces.at("KONG_BODY_FILTER_ENDED_AT", now)
  if annotates(conf) then
    annotate_phases(trace, now, done)
  else
    tag_phases(trace)
  end
  for _, span in ipairs(traces.tries(trace, now)) do
    reporter.report(conf, span)
  end
  describe_end(conf, request)
  traces.add_place(proxy)
  proxy:finish(done)
  reporter.report(conf, proxy)
  request:finish(now)
  reporter.report(conf, request)
end


return Zipkin
