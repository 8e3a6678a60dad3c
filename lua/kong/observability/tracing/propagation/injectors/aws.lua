local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

local fmt, sub = string.format, string.sub

return injector {
  name = "aws", needs_ids = true, sizes = { 16 },
  headers = function(context)
    local id = to_hex(context.trace_id)
    local value = fmt("Root=1-%s-%s;Parent=%s;Sampled=%s", sub(id, 1, 8), sub(id, 9), to_hex(context.span_id),
                      context.should_sample and "1" or "0")
    return { ["x-amzn-trace-id"] = value }
  end,
  formatted = function(trace_id)
    return { aws = to_hex(trace_id) }
  end,
}
