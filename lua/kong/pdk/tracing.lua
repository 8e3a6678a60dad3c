-- kong.tracing: tracers, by name. Until one is made the global one, that is the tracer which records
-- nothing.

local phase_checker = require "kong.pdk.private.phases"
local span = require "kong.pdk.private.span"
local tablepool = require "tablepool"
local tracing_context = require "kong.observability.tracing.tracing_context"

local ngx = ngx
local byte, error, getmetatable, ipairs, setmetatable, type =
  string.byte, error, getmetatable, ipairs, setmetatable, type

-- Bytes of a trace id that decide whether it is sampled.
local DRAWN = 8
local ERR_SHORT = "sampling needs trace ID to be longer than " .. DRAWN .. " bytes to work"

-- Phases in which spans belong to a request.
local TRACED = {
  ssl_cert = true, rewrite = true, access = true, header_filter = true, body_filter = true, log = true,
  content = true,
}

local _TRACER = {}
local mt = { __index = _TRACER }
-- The tracers that exist, by name.
local tracers = {}
local global


local function nothing() end


local function is_traced()
  return TRACED[ngx.get_phase()]
end


-- Draws by the trace's id, so that all nodes which see the trace agree: the first bytes of the id,
-- as a little-endian fraction of one, are below the rate.
local function sampler_of(default_rate)
  return function(trace_id, rate)
    rate = rate or default_rate
    if type(rate) ~= "number" then
      return nil, "invalid fraction"
    elseif rate >= 1 then
      return true
    elseif rate <= 0 then
      return false
    elseif #trace_id < DRAWN then
      return nil, ERR_SHORT
    end
    local fraction = 0
    for i = 1, DRAWN do
      fraction = (fraction + byte(trace_id, i)) / 256
    end
    return fraction < rate
  end
end


-- ---- spans of the current request -----------------------------------------------------------

local function add_active(self)
  local key = self.active_span_key

  function self.active_span()
    if is_traced() then
      return ngx.ctx[key]
    end
  end

  function self.set_active_span(active)
    if not is_traced() then
      return
    end
    if active then
      active.active = true
    end
    ngx.ctx[key] = active
  end
end


local function add_spans(self)
  local key = self.spans_table_key

  function self.start_span(name, options)
    if not is_traced() then
      return span.noop
    end
    return span.start(self, name, options)
  end

  self.create_span, self.link_span = span.create, span.link

  function self.init_spans()
    local spans = tablepool.fetch("KONG_SPAN_STORAGE", 10, 0)
    -- How many there are.
    spans[0] = 0
    ngx.ctx[key] = spans
    return spans
  end

  function self.get_spans()
    return ngx.ctx[key] or self.init_spans()
  end

  function self.get_root_span()
    return self.get_spans()[1]
  end

  function self.process_span(processor, ...)
    phase_checker.check(phase_checker.phases.log)
    if type(processor) ~= "function" then
      error("processor must be a function", 2)
    end
    for _, one in ipairs(self.get_spans()) do
      if one.tracer and one.tracer.name == self.name then
        processor(one, ...)
      end
    end
  end
end


local function add_sampling(self)
  function self:set_should_sample(should_sample)
    for _, one in ipairs(self.get_spans()) do
      if one.is_recording ~= false then
        one.should_sample = should_sample
      end
    end
  end

  -- Whether the request is sampled: as its parent elsewhere was, or by the rate.
  function self:get_sampling_decision(parent_should_sample, plugin_rate)
    local root = self.get_root_span()
    local trace_id = tracing_context.get_raw_trace_id(ngx.ctx)
    local rate = plugin_rate or kong.configuration.tracing_sampling_rate
    if not root or root.attributes and root.attributes["kong.propagation_only"] then
      return false
    elseif parent_should_sample == false or not trace_id then
      return not not parent_should_sample
    elseif not rate then
      return false
    end
    local sampled, err = self.sampler(trace_id, rate)
    if err then
      ngx.log(ngx.ERR, "sampler failure: ", err)
      return false
    end
    return not not sampled
  end
end


-- ---- tracers --------------------------------------------------------------------------------

-- The tracer that records nothing.
local noop = setmetatable({
  name = "noop",
  spans_table_key = "noop",
  start_span = function() return span.noop end,
  create_span = function() return span.noop end,
  get_spans = nothing,
  get_root_span = nothing,
  init_spans = nothing,
  link_span = nothing,
  active_span = nothing,
  set_active_span = nothing,
  process_span = nothing,
  set_should_sample = nothing,
  get_sampling_decision = nothing,
}, { __index = _TRACER, __newindex = nothing })


-- The tracer of a name, made at its first use. Options: `sampling_rate` from 0 to 1, `noop` for the
-- one that records nothing, `namespace` for the keys in `ngx.ctx`.
function _TRACER.new(name, options)
  name, options = name or "default", options or {}
  if tracers[name] then
    return tracers[name]
  elseif options.noop then
    return noop
  end
  local namespace = options.namespace or "KONG"
  options.sampling_rate = options.sampling_rate or 1.0
  local self = {
    name = name,
    sampler = sampler_of(options.sampling_rate),
    active_span_key = namespace .. "_active_span",
    spans_table_key = namespace .. "_SPANS",
  }
  add_active(self)
  add_spans(self)
  add_sampling(self)
  tracers[name] = setmetatable(self, mt)
  return self
end


-- Makes a tracer `kong.tracing`.
function _TRACER.set_global_tracer(tracer)
  if type(tracer) ~= "table" or getmetatable(tracer) ~= mt and tracer.name ~= "noop" then
    error("invalid tracer", 2)
  end
  global = tracer
  if kong then
    kong.tracing = tracer
  end
end


local function call(_, ...)
  return _TRACER.new(...)
end

mt.__call, getmetatable(noop).__call = call, call
global = noop

return { new = function() return global end }
