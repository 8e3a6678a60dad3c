-- Spans that the gateway itself makes for each request, while `tracing_instrumentations` asks for some: the
-- root span `kong`, router, balancer, DNS, database, the phases of plugins, and requests that plugins make.
--
-- A plan's code (`kong.runloop.shape`) calls what is here only while tracing is on.

local kong_tracing = require "kong.pdk.tracing"
local tablepool = require "tablepool"
local tracing_context = require "kong.observability.tracing.tracing_context"

local ngx = ngx
local decode = require("cjson.safe").decode
local native = require "kong.native"
local find, format, upper = string.find, string.format, string.upper
local ipairs, pairs, type = ipairs, pairs, type

local SPANS = "KONG_SPANS"
local SERVER, CLIENT = 2, 3
local FAILED = 2
local KINDS = {
  "request", "db_query", "dns_query", "router", "http_client", "balancer", "plugin_rewrite",
  "plugin_access", "plugin_header_filter",
}
-- Phases whose plugins are traced, and the kind that asks for it.
local OF_PHASE = {
  rewrite = "plugin_rewrite", access = "plugin_access", header_filter = "plugin_header_filter",
}

local _M = {
  -- Whether any span is made.
  enabled = false,
}

local tracer
local wanted = {}


-- ---- the request ----------------------------------------------------------------------------

local function http_version()
  local version = ngx.req.http_version()
  return type(version) == "number" and format("%.1f", version) or version
end


local function start_root(ctx)
  local var = ngx.var
  local host = var.host
  local root = tracer.start_span("kong", {
    span_kind = SERVER,
    start_time_ns = ctx.KONG_PROCESSING_START_NS,
    attributes = {
      ["http.method"] = ngx.req.get_method(),
      ["http.url"] = var.scheme .. "://" .. host .. var.request_uri,
      ["http.host"] = host,
      ["http.scheme"] = var.scheme,
      ["http.flavor"] = http_version(),
      ["http.client_ip"] = kong.client.get_forwarded_ip(),
      ["net.peer.ip"] = kong.client.get_ip(),
      ["kong.request.id"] = ctx.request_id,
    },
  })
  tracing_context.set_raw_trace_id(root.trace_id, ctx)
  tracer.set_active_span(root)
  return root
end


local function root_of(ctx)
  return ctx[SPANS] and ctx[SPANS][1]
end


-- Begins the spans of a request at its first phase; in access the router has run.
function _M.open(ctx, phase)
  if not root_of(ctx) and wanted.request then
    start_root(ctx)
  end
  if phase ~= "access" then
    return
  end
  if wanted.router then
    tracer.start_span("kong.router", { start_time_ns = ctx.KONG_ROUTER_START_NS or ctx.KONG_ACCESS_START_NS })
      :finish(ctx.KONG_ACCESS_START_NS)
  end
  if wanted.balancer then
    -- Its id goes upstream before the balancer runs.
    local options = { span_kind = CLIENT, parent = root_of(ctx) }
    tracing_context.set_unlinked_span("balancer", tracer.create_span(nil, options), ctx)
  end
end


-- ---- plugins --------------------------------------------------------------------------------

--- Whether plugins of a phase have spans.
function _M.of_plugins(phase)
  return wanted[OF_PHASE[phase]] == true
end


--- Begins the span of a plugin.
function _M.enter(name)
  local span = tracer.start_span(name)
  tracer.set_active_span(span)
  return span
end


--- Notes that the plugin whose span is active threw.
function _M.failed(message)
  local span = tracer and tracer.active_span()
  if span and span.record_error and span ~= root_of(ngx.ctx) then
    span:record_error(message)
    span:set_status(FAILED)
    span:finish()
  end
end


-- ---- the upstream ---------------------------------------------------------------------------

local function is_name(host)
  return host and not find(host, "^[%d%.]+$") and not find(host, ":", 1, true)
end


-- A look-up of the upstream's name was a part of choosing the peer.
local function dns_span(data, try)
  if not wanted.dns_query or not is_name(data.host) then
    return
  end
  local span = tracer.start_span("kong.dns", {
    span_kind = CLIENT, start_time_ns = try.balancer_start_ns,
    attributes = { ["dns.record.domain"] = data.host, ["dns.record.port"] = data.port,
                   ["dns.record.ip"] = try.ip },
  })
  span:finish(try.balancer_start_ns + try.balancer_latency_ns)
end


-- A span for each try; that of the last is the one whose id went upstream.
local function balancer_spans(ctx)
  local data = ctx.balancer_data
  local tries = data and data.tries or {}
  local announced = tracing_context.get_unlinked_span("balancer", ctx)
  for i, try in ipairs(tries) do
    dns_span(data, try)
    local options = {
      span_kind = CLIENT, start_time_ns = try.balancer_start_ns,
      attributes = { try_count = i, ["net.peer.ip"] = try.ip, ["net.peer.port"] = try.port },
    }
    local is_last = i == #tries
    local span
    if is_last and announced and not announced.linked then
      span = tracer.link_span(tracer, announced, "kong.balancer", options)
    else
      span = tracer.start_span("kong.balancer", options)
    end
    if try.state then
      span:set_attribute("http.status_code", try.code)
      span:set_status(FAILED)
    end
    span:set_attribute("net.peer.name", data.hostname)
    if is_last then
      span:finish(ctx.KONG_BODY_FILTER_ENDED_AT_NS)
    else
      span:finish(tries[i + 1].balancer_start_ns)
    end
  end
end


-- ---- the end --------------------------------------------------------------------------------

--- Ends the spans of a request, before plugins log.
function _M.close(ctx)
  if wanted.balancer then
    balancer_spans(ctx)
  end
  local root = root_of(ctx)
  if not root then
    return
  end
  local stop = ctx.KONG_BODY_FILTER_ENDED_AT_NS
  if stop and stop < root.start_time_ns then
    stop = nil
  end
  -- A plugin that ended its phase left its span open.
  for i = 2, #ctx[SPANS] do
    local span = ctx[SPANS][i]
    if not span.end_time_ns and span.finish then
      span:finish(stop and stop >= span.start_time_ns and stop or nil)
    end
  end
  local route = ctx.route
  root:set_attribute("http.status_code", ngx.status)
  root:set_attribute("http.route", route and route.paths and route.paths[1] or "")
  root:finish(stop)
end


--- Gives the memory of spans back, after plugins have logged.
function _M.release(ctx)
  local spans = ctx[SPANS]
  if type(spans) ~= "table" then
    return
  end
  ctx[SPANS] = nil
  for _, span in ipairs(spans) do
    if span.release then
      span:release()
    end
  end
  tablepool.release("KONG_SPAN_STORAGE", spans)
end


-- ---- what plugins ask others ----------------------------------------------------------------

local function trace_requests()
  local http = require "resty.http"
  local request_uri = http.request_uri

  http.request_uri = function(self, uri, params)
    local options = params or {}
    local proxy = self.proxy_opts
    local span = tracer.start_span("kong.internal.request", {
      span_kind = CLIENT,
      attributes = {
        ["http.url"] = uri, ["http.method"] = options.method or "GET",
        ["http.flavor"] = options.version or "1.1",
        ["http.user_agent"] = options.headers and options.headers["User-Agent"] or http._USER_AGENT,
        ["http.proxy"] = proxy and (proxy.https_proxy or proxy.http_proxy),
      },
    })
    local res, err = request_uri(self, uri, params)
    if res then
      span:set_attribute("http.status_code", res.status)
    else
      span:record_error(err)
    end
    span:finish()
    return res, err
  end
end


local function trace_names()
  local dns = require "kong.resty.dns.client"
  local toip = dns.toip

  dns.toip = function(name, port, ...)
    local span = tracer.start_span("kong.dns", { span_kind = CLIENT })
    span:set_attribute("dns.record.domain", name)
    span:set_attribute("dns.record.port", port)
    local ip, found, tries = toip(name, port, ...)
    if ip then
      span:set_attribute("dns.record.ip", ip)
    else
      span:record_error(found)
      span:set_status(FAILED)
    end
    span:finish()
    return ip, found, tries
  end
end


-- What is asked of the store, by the host's functions for it. The host makes the statements of each database;
-- the span tells what they are for.
local STATEMENTS = {
  store_find = "SELECT", store_page = "SELECT", store_page_tags = "SELECT", store_counted = "SELECT",
  store_count = "UPSERT", store_write = "WRITE", store_truncate = "TRUNCATE",
}
-- What is asked for, where the question does not name it.
local SUBJECTS = {
  store_page_tags = "tags", store_counted = "ratelimiting_metrics", store_count = "ratelimiting_metrics",
}


local function statement_of(name, asked)
  local question = type(asked) == "string" and decode(asked)
  if type(question) ~= "table" then
    return STATEMENTS[name] .. " " .. (SUBJECTS[name] or asked)
  end
  local verb = question.verb and upper(question.verb) or STATEMENTS[name]
  return verb .. " " .. (question.kind or SUBJECTS[name])
end


local function trace_store(strategy)
  for name in pairs(STATEMENTS) do
    local ask = native[name]

    local function finish(span, ...)
      span:finish()
      return ...
    end

    native[name] = function(asked, ...)
      if not root_of(ngx.ctx) then
        return ask(asked, ...)
      end
      local span = tracer.start_span("kong.database.query", {
        span_kind = CLIENT,
        attributes = { ["db.system"] = strategy, ["db.statement"] = statement_of(name, asked) },
      })
      tracer.set_active_span(span)
      return finish(span, ask(asked, ...))
    end
  end
end


-- ---- set-up ---------------------------------------------------------------------------------

--- Makes the tracer that kong.conf asks for the global one.
function _M.init(config)
  local asked = config.tracing_instrumentations or {}
  if not asked[1] or asked[1] == "off" then
    return
  end
  for _, kind in ipairs(asked[1] == "all" and KINDS or asked) do
    wanted[kind] = true
  end
  -- Others hang on the root span.
  wanted.request = true
  tracer = kong_tracing.new().new("instrument", { sampling_rate = config.tracing_sampling_rate })
  tracer.set_global_tracer(tracer)
  _M.enabled = true
  if wanted.http_client then
    trace_requests()
  end
  if wanted.dns_query then
    trace_names()
  end
  if wanted.db_query and config.database ~= "off" then
    trace_store(config.database)
  end
end


return _M
