-- Datadog: decimal numbers.

local extractor = require "kong.observability.tracing.propagation.extractor"
local from_dec = require("resty.openssl.bn").from_dec

local kong = kong
local match = string.match

local PRIORITIES = { ["1"] = true, ["2"] = true, ["0"] = false, ["-1"] = false }


local function number(headers, name)
  local value = headers[name]
  local digits = value and match(value, "^%s*(%d+)%s*$")
  if value and not digits then
    kong.log.warn(name .. " header invalid; ignoring.")
  end
  return digits and from_dec(digits):to_binary()
end


local NAMES = { "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority" }

return extractor(NAMES, function(headers)
  local priority = headers["x-datadog-sampling-priority"]
  if priority ~= nil and PRIORITIES[priority] == nil then
    return kong.log.warn("x-datadog-sampling-priority header invalid; ignoring.")
  end
  local trace_id = number(headers, "x-datadog-trace-id")
  local span_id = number(headers, "x-datadog-parent-id")
  return { trace_id = trace_id, span_id = trace_id and span_id, should_sample = PRIORITIES[priority] }
end)
