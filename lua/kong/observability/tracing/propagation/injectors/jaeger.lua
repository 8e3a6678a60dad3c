local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

local concat, pairs = table.concat, pairs
local escape_uri = ngx.escape_uri

return injector {
  name = "jaeger", needs_ids = true, sizes = { 16, 8 },
  headers = function(context)
    local parts = { to_hex(context.trace_id), to_hex(context.span_id),
                    context.parent_id and to_hex(context.parent_id) or "0",
                    context.should_sample and "01" or "00" }
    local headers = { ["uber-trace-id"] = concat(parts, ":") }
    for name, value in pairs(context.baggage or {}) do
      headers["uberctx-" .. name] = escape_uri(value)
    end
    return headers
  end,
  formatted = function(trace_id)
    return { jaeger = to_hex(trace_id) }
  end,
}
