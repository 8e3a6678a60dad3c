local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

local concat = table.concat

local SAMPLED = { [true] = "1", [false] = "0" }

return injector {
  name = "b3-single", sizes = { 16, 8 },
  headers = function(context)
    local sampled = context.flags == "1" and "d" or SAMPLED[context.should_sample]
    if not context.trace_id or not context.span_id then
      return { b3 = sampled or "0" }
    end
    local parts = { to_hex(context.trace_id), to_hex(context.span_id) }
    parts[#parts + 1] = sampled
    parts[#parts + 1] = context.parent_id and to_hex(context.parent_id) or nil
    return { b3 = concat(parts, "-") }
  end,
  formatted = function(trace_id)
    return { b3 = trace_id and to_hex(trace_id) or "" }
  end,
}
