-- The spans of a request or a connection: that of the client's request, that of the request to the upstream,
-- and one for each try of the balancer.

local get_rand_bytes = require("kong.tools.rand").get_rand_bytes
local propagation = require "kong.observability.tracing.propagation"
local request_tags = require "kong.plugins.zipkin.request_tags"
local Span = require "kong.plugins.zipkin.span"

local kong, ngx = kong, ngx
local fmt, gmatch, ipairs, pairs, random, tonumber, type =
  string.format, string.gmatch, ipairs, pairs, math.random, tonumber, type

local IS_HTTP = ngx.config.subsystem == "http"

local _M = {}


-- Microseconds since 1970.
function _M.now()
  return ngx.now() * 1000000
end


-- When a phase began or ended, by the field of the context, in milliseconds; `default` where it did not.
function _M.at(field, default)
  local milliseconds = ngx.ctx[field]
  return milliseconds and milliseconds * 1000 or default
end


-- ---- the client's request -------------------------------------------------------------------

local function add_tags(span, tags)
  for name, value in pairs(tags or {}) do
    span:set_tag(name, value)
  end
end


local function describe_request(conf, span)
  local request = kong.request
  local version = request.get_http_version()
  add_tags(span, {
    ["http.method"] = request.get_method(), ["http.host"] = request.get_host(),
    ["http.path"] = request.get_path(), ["http.protocol"] = version and "HTTP/" .. version,
  })
  local tags, err = request_tags.parse(request.get_headers()[conf.tags_header])
  if err then
    kong.log.warn(err)
  end
  return tags
end


local function name_of(conf)
  if not IS_HTTP then
    return "stream"
  end
  local method = kong.request.get_method()
  return conf.http_span_name == "method_path" and method .. " " .. kong.request.get_path() or method
end


-- The span of the request in the trace that it came with, or in a new one.
local function begin(conf, context)
  local reuses = context.reuse_span_id
  local should_sample = context.should_sample
  if should_sample == nil then
    should_sample = random() < conf.sample_ratio
  end
  local span = Span.new({
    kind = "SERVER", name = name_of(conf), should_sample = should_sample, baggage = context.baggage,
    trace_id = context.trace_id or get_rand_bytes(conf.traceid_byte_count),
    span_id = reuses and context.span_id or nil,
    parent_id = reuses and context.parent_id or not reuses and context.span_id or nil,
  }, ngx.req.start_time() * 1000000)
  span.ip, span.port = kong.client.get_forwarded_ip(), kong.client.get_forwarded_port()
  span:set_tag("lc", "kong")
  local brought = IS_HTTP and describe_request(conf, span)
  for _, tag in ipairs(conf.static_tags or {}) do
    span:set_tag(tag.name, tag.value)
  end
  add_tags(span, brought or nil)
  return span
end


-- The trace of this request, begun where it is not: `request` and maybe `proxy`.
function _M.of_request(conf, context)
  local state = kong.ctx.plugin
  if not state.trace then
    if not context and IS_HTTP then
      context = propagation.extract(propagation.get_plugin_params(conf))
    end
    state.trace = { request = begin(conf, context or {}) }
  end
  return state.trace
end


-- The span of the request to the upstream.
function _M.proxy_span(trace, start)
  local request = trace.request
  trace.proxy = trace.proxy or request:new_child("CLIENT", request.name .. " (proxy)", start)
  return trace.proxy
end


-- ---- the upstream ---------------------------------------------------------------------------

function _M.add_place(span)
  local service, route = kong.router.get_service(), kong.router.get_route()
  if service and service.id then
    span:set_tag("kong.service", service.id)
    if type(service.name) == "string" then
      span.service_name = service.name
      span:set_tag("kong.service_name", service.name)
    end
  end
  if route then
    span:set_tag("kong.route", route.id)
    if type(route.name) == "string" then
      span:set_tag("kong.route_name", route.name)
    end
  end
end


-- Milliseconds that connecting took, by try.
local function connect_times()
  local times = {}
  for time in gmatch(ngx.var.upstream_connect_time or "", "[^,%s]+") do
    times[#times + 1] = (tonumber(time) or 0) * 1000
  end
  return times
end


local function try_span(trace, try, number, is_last)
  local request = trace.request
  local span = request:new_child("CLIENT", fmt("%s (balancer try %d)", request.name, number),
                                 try.balancer_start * 1000)
  span.ip, span.port = try.ip, try.port
  span:set_tag("kong.balancer.try", number)
  if not is_last then
    add_tags(span, { error = true, ["kong.balancer.state"] = try.state, ["http.status_code"] = try.code })
  end
  _M.add_place(span)
  return span
end


-- The spans of all tries, ended.
function _M.tries(trace, now)
  local balancer, spans = ngx.ctx.balancer_data, {}
  if not balancer or not balancer.tries then
    return spans
  end
  local times = connect_times()
  for i, try in ipairs(balancer.tries) do
    local span = try_span(trace, try, i, i == #balancer.tries)
    local took = try.balancer_latency
    span:finish(took and (try.balancer_start + took + (times[i] or 0)) * 1000 or now)
    spans[i] = span
  end
  local proxy = trace.proxy
  proxy.ip, proxy.port = balancer.ip, balancer.port
  proxy:set_tag("peer.hostname", balancer.hostname)
  return spans
end


return _M
