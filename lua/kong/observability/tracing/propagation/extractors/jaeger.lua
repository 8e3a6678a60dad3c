-- Jaeger: `uber-trace-id`.

local extractor = require "kong.observability.tracing.propagation.extractor"
local utils = require "kong.observability.tracing.propagation.utils"

local kong = kong
local match, tonumber, type = string.match, tonumber, type
local from_hex = utils.from_hex


local function fault(trace_id, span_id, flags)
  if not trace_id then
    return "invalid jaeger uber-trace-id header"
  elseif #trace_id > 32 or tonumber(trace_id, 16) == 0 then
    return "invalid jaeger trace ID"
  elseif #span_id > 16 or tonumber(span_id, 16) == 0 then
    return "invalid jaeger span ID"
  elseif #flags > 2 then
    return "invalid jaeger flags"
  end
end


return extractor({ "uber-trace-id" }, function(headers)
  local value = headers["uber-trace-id"]
  if type(value) ~= "string" or value == "" then
    return nil
  end
  local trace_id, span_id, parent_id, flags = match(value, "^(%x+):(%x+):(%x+):(%x+)$")
  local wrong = fault(trace_id, span_id, flags)
  if wrong then
    return kong.log.warn(wrong .. "; ignoring.")
  elseif #parent_id ~= 16 and tonumber(parent_id, 16) ~= 0 then
    kong.log.warn("invalid jaeger parent ID; ignoring.")
  end
  return {
    trace_id = from_hex(trace_id), span_id = from_hex(span_id), parent_id = from_hex(parent_id),
    reuse_span_id = true, should_sample = tonumber(flags, 16) % 2 == 1,
    baggage = utils.parse_baggage_headers(headers, "^uberctx%-(.*)$"),
  }
end)
