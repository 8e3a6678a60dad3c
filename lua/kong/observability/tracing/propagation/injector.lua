-- injector(format): what writes a trace context to headers of the request to the upstream.
--
-- A format has a `name`; whether its context `needs_ids`; the `sizes` in bytes that trace ids may have, the
-- usual one first; `headers(context)`, which answers them by name; and `formatted(trace_id)`, the id as it is
-- logged.

local table_contains = require("kong.tools.table").table_contains
local to_id_size = require("kong.observability.tracing.propagation.utils").to_id_size

local kong = kong
local pairs = pairs

local SPAN_ID_LENGTH = 8


local function missing(context)
  return not context.trace_id and "trace_id" or not context.span_id and "span_id"
end


return function(format)
  local Injector = { name = format.name }

  -- Answers the trace id by the name of the format; nil and an error.
  function Injector:inject(context) -- luacheck: ignore 212
    local field = format.needs_ids and missing(context)
    if field then
      return nil, format.name .. " injector context is invalid: field " .. field .. " not found in context"
    end
    local original = context.trace_id_original_size
    local size = table_contains(format.sizes, original) and original or format.sizes[1]
    context.trace_id = to_id_size(context.trace_id, size)
    context.span_id = to_id_size(context.span_id, SPAN_ID_LENGTH)
    context.parent_id = to_id_size(context.parent_id, SPAN_ID_LENGTH)
    for name, value in pairs(format.headers(context)) do
      kong.service.request.set_header(name, value)
    end
    return format.formatted(context.trace_id)
  end

  return Injector
end
