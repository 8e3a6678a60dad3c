-- OpenTracing.

local extractor = require "kong.observability.tracing.propagation.extractor"
local hexadecimal = require "kong.observability.tracing.propagation.hexadecimal"
local utils = require "kong.observability.tracing.propagation.utils"

local from_hex = utils.from_hex


return extractor({ "ot-tracer-sampled", "ot-tracer-traceid", "ot-tracer-spanid" }, function(headers)
  local trace_id, no_trace = hexadecimal.id(headers, "ot-tracer-traceid", 16, 32)
  local span_id, no_span = hexadecimal.id(headers, "ot-tracer-spanid", 16)
  local context = {
    should_sample = hexadecimal.sampled(headers, "ot-tracer-sampled"),
    baggage = utils.parse_baggage_headers(headers, "^ot%-baggage%-(.*)$"),
  }
  if trace_id and not no_trace and not no_span then
    context.trace_id, context.span_id = from_hex(trace_id), from_hex(span_id)
  end
  return context
end)
