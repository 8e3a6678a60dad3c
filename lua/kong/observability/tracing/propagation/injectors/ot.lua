local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

local pairs = pairs
local escape_uri = ngx.escape_uri

local SAMPLED = { [true] = "1", [false] = "0" }

return injector {
  name = "ot", needs_ids = true, sizes = { 8, 16 },
  headers = function(context)
    local headers = {
      ["ot-tracer-traceid"] = to_hex(context.trace_id), ["ot-tracer-spanid"] = to_hex(context.span_id),
      ["ot-tracer-sampled"] = SAMPLED[context.should_sample],
    }
    for name, value in pairs(context.baggage or {}) do
      headers["ot-baggage-" .. name] = escape_uri(value)
    end
    return headers
  end,
  formatted = function(trace_id)
    return { ot = to_hex(trace_id) }
  end,
}
