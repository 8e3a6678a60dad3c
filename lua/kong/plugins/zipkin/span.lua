-- Spans as Zipkin has them. Times are in microseconds.

local get_rand_bytes = require("kong.tools.rand").get_rand_bytes

local floor, max, setmetatable = math.floor, math.max, setmetatable

local SPAN_ID_LENGTH = 8

local Span = {}
Span.__index = Span


-- Begins a span from what is known of it: `kind`, `name`, `trace_id`, `should_sample`, and maybe its own id,
-- its parent's and `baggage`.
function Span.new(fields, start)
  fields.span_id = fields.span_id or get_rand_bytes(SPAN_ID_LENGTH)
  fields.timestamp, fields.tags = floor(start), {}
  return setmetatable(fields, Span)
end


function Span:new_child(kind, name, start)
  return Span.new({
    kind = kind, name = name, trace_id = self.trace_id, parent_id = self.span_id,
    should_sample = self.should_sample, baggage = self.baggage,
  }, start)
end


function Span:finish(at)
  self.duration = floor(max(0, at - self.timestamp))
end


function Span:set_tag(name, value)
  self.tags[name] = value
end


function Span:annotate(value, at)
  self.annotations = self.annotations or {}
  self.annotations[#self.annotations + 1] = { value = value, timestamp = floor(at) }
end


return Span
