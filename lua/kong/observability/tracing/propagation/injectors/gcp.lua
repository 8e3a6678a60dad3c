local from_binary = require("resty.openssl.bn").from_binary
local injector = require "kong.observability.tracing.propagation.injector"
local to_hex = require("resty.string").to_hex

return injector {
  name = "gcp", needs_ids = true, sizes = { 16 },
  headers = function(context)
    local place = to_hex(context.trace_id) .. "/" .. from_binary(context.span_id):to_dec()
    return { ["x-cloud-trace-context"] = place .. ";o=" .. (context.should_sample and "1" or "0") }
  end,
  formatted = function(trace_id)
    return { gcp = to_hex(trace_id) }
  end,
}
