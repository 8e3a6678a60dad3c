local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

local concat = table.concat

return injector {
  name = "w3c", needs_ids = true, sizes = { 16 },
  headers = function(context)
    local parts = { "00", to_hex(context.trace_id), to_hex(context.span_id),
                    context.should_sample and "01" or "00" }
    return { traceparent = concat(parts, "-") }
  end,
  formatted = function(trace_id)
    return { w3c = to_hex(trace_id) }
  end,
}
