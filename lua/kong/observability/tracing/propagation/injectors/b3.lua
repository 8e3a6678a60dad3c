local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

return injector {
  name = "b3", sizes = { 16, 8 },
  headers = function(context)
    local headers = {}
    if context.trace_id and context.span_id then
      headers["x-b3-traceid"], headers["x-b3-spanid"] = to_hex(context.trace_id), to_hex(context.span_id)
      headers["x-b3-parentspanid"] = context.parent_id and to_hex(context.parent_id)
    end
    if context.flags then
      headers["x-b3-flags"] = context.flags
    else
      headers["x-b3-sampled"] = context.should_sample and "1" or "0"
    end
    return headers
  end,
  formatted = function(trace_id)
    return { b3 = trace_id and to_hex(trace_id) or "" }
  end,
}
