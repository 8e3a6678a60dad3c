-- Spans of a trace, as `kong.tracing` makes them.

local rand = require "kong.tools.rand"
local tablepool = require "tablepool"
local time_ns = require("kong.tools.time").time_ns

local ngx = ngx
local error, pairs, setmetatable, tostring, traceback, type =
  error, pairs, setmetatable, tostring, debug.traceback, type
local fetch, release = tablepool.fetch, tablepool.release

local SPANS, ATTRIBUTES, EVENTS = "KONG_SPAN", "KONG_SPAN_ATTRIBUTES", "KONG_SPAN_EVENTS"
local INTERNAL = 1
local TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8

-- Types of options, and how a wrong one is called.
local OPTIONS = {
  start_time_ns = { "number", "invalid start time" },
  span_kind = { "number", "invalid start kind" },
  should_sample = { "boolean", "invalid sampled" },
  attributes = { "table", "invalid attributes" },
}
local VALUES = { string = true, number = true, boolean = true, table = true, ["nil"] = true }

local methods = {}
local mt = { __index = methods }

local _M = {}


local function nothing() end


-- Throws, in the name of the caller at `level`, unless options are such.
local function check_options(options, level)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    error("invalid options type", level)
  end
  for name, rule in pairs(OPTIONS) do
    if options[name] ~= nil and type(options[name]) ~= rule[1] then
      error(rule[2], level)
    end
  end
  return options
end


-- Whether a new span is to be recorded: as its parent is, as asked, or as the tracer draws.
local function sampled(tracer, parent, options, trace_id)
  if parent and parent.should_sample ~= nil then
    return parent.should_sample
  elseif options.should_sample ~= nil then
    return options.should_sample
  elseif not tracer then
    return false
  end
  local drawn, err = tracer.sampler(trace_id)
  if err then
    ngx.log(ngx.ERR, "sampler failure: ", err)
    return false
  end
  return drawn
end


-- A span that is in no trace's list yet.
function _M.create(tracer, options)
  options = check_options(options, 3)
  local parent = options.parent or tracer and tracer.active_span()
  local trace_id = parent and parent.trace_id or options.trace_id or rand.get_rand_bytes(TRACE_ID_BYTES)

  local span = fetch(SPANS, 0, 12)
  span.parent = parent
  span.parent_id = parent and parent.span_id or options.parent_id
  span.tracer = span.tracer or tracer
  span.span_id = rand.get_rand_bytes(SPAN_ID_BYTES)
  span.trace_id = trace_id
  span.kind = options.span_kind or INTERNAL
  span.should_sample = sampled(tracer, parent, options, trace_id)
  return setmetatable(span, mt)
end


-- Names a span, starts it, and puts it into the list of its trace.
function _M.link(tracer, span, name, options)
  if tracer and type(tracer) ~= "table" then
    error("invalid tracer", 2)
  end
  options = check_options(options, 3)
  span.tracer = span.tracer or tracer
  span.start_time_ns = options.start_time_ns or time_ns()
  span.attributes = options.attributes
  span.name = name
  span.linked = true

  local spans = tracer.get_spans()
  local count = spans[0] + 1
  spans[count], spans[0] = span, count
  return span
end


-- A span that has begun.
function _M.start(tracer, name, options)
  if type(tracer) ~= "table" then
    error("invalid tracer", 3)
  elseif type(name) ~= "string" or name == "" then
    error("invalid span name", 3)
  end
  return _M.link(tracer, _M.create(tracer, options), name, options)
end


function methods:finish(end_time_ns)
  if self.end_time_ns ~= nil then
    return
  elseif end_time_ns ~= nil and type(end_time_ns) ~= "number" then
    error("invalid span end time", 2)
  elseif end_time_ns and end_time_ns < self.start_time_ns then
    error("invalid span duration", 2)
  end
  self.end_time_ns = end_time_ns or time_ns()
  if self.active and self.tracer.active_span() == self then
    self.tracer.set_active_span(self.parent)
    self.active = nil
  end
end


function methods:set_attribute(key, value)
  if type(key) ~= "string" then
    error("invalid key", 2)
  end
  local kind = type(value)
  if not VALUES[kind] then
    ngx.log(ngx.ERR, traceback("invalid span attribute value type: " .. kind, 2))
  end
  local attributes = self.attributes
  if attributes == nil then
    attributes = fetch(ATTRIBUTES, 0, 4)
    self.attributes = attributes
  end
  attributes[key] = value
end


function methods:add_event(name, attributes, at_ns)
  if type(name) ~= "string" then
    error("invalid name", 2)
  elseif attributes ~= nil and type(attributes) ~= "table" then
    error("invalid attribute", 2)
  end
  local events = self.events
  if events == nil then
    events = fetch(EVENTS, 4, 0)
    events[0] = 0
    self.events = events
  end
  local count = events[0] + 1
  events[count] = { name = name, time_ns = at_ns or time_ns(), attributes = attributes }
  events[0] = count
end


function methods:record_error(err)
  self:add_event("exception", { ["exception.message"] = tostring(err) })
end


function methods:set_status(status)
  if type(status) ~= "number" then
    error("invalid status", 2)
  end
  self.status = status
end


function methods:each_baggage_item()
  return nothing
end


-- Gives the span's tables back; it must not be used any more.
function methods:release()
  if type(self.attributes) == "table" then
    release(ATTRIBUTES, self.attributes)
  end
  if type(self.events) == "table" then
    release(EVENTS, self.events)
  end
  release(SPANS, self)
end


-- The span that records nothing.
_M.noop = setmetatable({
  is_recording = false,
  finish = nothing,
  set_attribute = nothing,
  add_event = nothing,
  record_error = nothing,
  set_status = nothing,
  each_baggage_item = methods.each_baggage_item,
}, { __newindex = nothing })


return _M
