-- `traceparent` (W3C Trace Context, 3.2).

local extractor = require "kong.observability.tracing.propagation.extractor"
local from_hex = require("kong.observability.tracing.propagation.utils").from_hex

local kong = kong
local match, tonumber, type = string.match, tonumber, type


local function is_id(text, length)
  return #text == length and tonumber(text, 16) ~= 0
end


local function fault(version, trace_id, parent_id, flags)
  if not version then
    return "invalid W3C traceparent header"
  elseif version ~= "00" then
    return "invalid W3C Trace Context version"
  elseif not is_id(trace_id, 32) then
    return "invalid W3C trace context trace ID"
  elseif not is_id(parent_id, 16) then
    return "invalid W3C trace context parent ID"
  elseif #flags ~= 2 then
    return "invalid W3C trace context flags"
  end
end


return extractor({ "traceparent" }, function(headers)
  local value = headers.traceparent
  if type(value) ~= "string" or value == "" then
    return nil
  end
  local version, trace_id, parent_id, flags = match(value, "^(%x+)%-(%x+)%-(%x+)%-(%x+)$")
  local wrong = fault(version, trace_id, parent_id, flags)
  if wrong then
    return kong.log.warn(wrong .. "; ignoring.")
  end
  flags = tonumber(flags, 16)
  return { trace_id = from_hex(trace_id), span_id = from_hex(parent_id), should_sample = flags % 2 == 1,
           w3c_flags = flags }
end)
