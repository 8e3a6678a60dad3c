-- B3: in one header, or in a header for each field.

local extractor = require "kong.observability.tracing.propagation.extractor"
local from_hex = require("kong.observability.tracing.propagation.utils").from_hex
local hexadecimal = require "kong.observability.tracing.propagation.hexadecimal"

local kong = kong
local ipairs, match, rep, type = ipairs, string.match, string.rep, type

local FORM = "^(%x+)%-(" .. rep("%x", 16) .. ")%-?([01d]?)%-?(%x*)$"
local SAMPLED = { ["1"] = true, d = true, ["0"] = false }


-- The value of `b3`, which may also be in `tracestate`.
local function single_value(headers)
  local value = headers.b3
  if value then
    return value
  end
  local states = headers.tracestate
  for _, state in ipairs(type(states) == "table" and states or { states }) do
    value = type(state) == "string" and match(state, "^b3=(.+)$")
    if value then
      return value
    end
  end
end


local function read_single(headers)
  local value = single_value(headers)
  if type(value) ~= "string" then
    return nil
  elseif SAMPLED[value] ~= nil then
    return { should_sample = SAMPLED[value], flags = value == "d" and "1" or nil }
  end
  local trace_id, span_id, sampled, parent_id = match(value, FORM)
  if not trace_id or #trace_id ~= 16 and #trace_id ~= 32 or parent_id ~= "" and #parent_id ~= 16 then
    kong.log.warn("b3 single header invalid; ignoring.")
    return {}
  end
  return { trace_id = trace_id, span_id = span_id, parent_id = parent_id ~= "" and parent_id or nil,
           should_sample = SAMPLED[sampled], flags = sampled == "d" and "1" or nil }
end


local function read_several(headers)
  local should_sample = hexadecimal.sampled(headers, "x-b3-sampled")
  local flags = headers["x-b3-flags"]
  if flags == "1" then
    should_sample = true
  elseif flags ~= nil then
    kong.log.warn("x-b3-flags header invalid; ignoring.")
  end
  local trace_id, no_trace = hexadecimal.id(headers, "x-b3-traceid", 16, 32)
  local span_id, no_span = hexadecimal.id(headers, "x-b3-spanid", 16)
  local parent_id, no_parent = hexadecimal.id(headers, "x-b3-parentspanid", 16)
  local context = { should_sample = should_sample, flags = flags }
  if not (no_trace or no_span or no_parent) then
    context.trace_id, context.span_id, context.parent_id = trace_id, span_id, parent_id
  end
  return context
end


local NAMES = { "b3", "tracestate", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
                "x-b3-flags" }

return extractor(NAMES, function(headers)
  local single, several = read_single(headers), read_several(headers)
  local one = single or {}
  local context = { reuse_span_id = true, single_header = single and true or nil,
                    flags = one.flags or several.flags }
  context.should_sample = one.should_sample
  if context.should_sample == nil then
    context.should_sample = several.should_sample
  end
  local trace_id = one.trace_id or several.trace_id
  if trace_id then
    context.trace_id = from_hex(trace_id)
    context.span_id = from_hex(one.span_id or several.span_id)
    context.parent_id = from_hex(one.parent_id or several.parent_id)
  end
  return context
end)
