local from_binary = require("resty.openssl.bn").from_binary
local injector = require "kong.observability.tracing.propagation.injector"

local SAMPLED = { [true] = "1", [false] = "0" }


local function decimal(id)
  return id and from_binary(id):to_dec() or nil
end


return injector {
  name = "datadog", sizes = { 8 },
  headers = function(context)
    return {
      ["x-datadog-trace-id"] = decimal(context.trace_id),
      ["x-datadog-parent-id"] = decimal(context.span_id),
      ["x-datadog-sampling-priority"] = SAMPLED[context.should_sample],
    }
  end,
  formatted = function(trace_id)
    return { datadog = decimal(trace_id) }
  end,
}
