-- extractor(names, read): what finds a trace context in headers.
--
-- `names` are headers of which one must be there; `read(headers)` answers the context, or nothing:
-- `trace_id`, `span_id` and `parent_id` as bytes, `should_sample`, `baggage`, and whatever the format has
-- besides.

local utils = require "kong.observability.tracing.propagation.utils"

local ipairs = ipairs


local function has_any(headers, names)
  for _, name in ipairs(names) do
    if headers[name] ~= nil then
      return true
    end
  end
  return false
end


return function(names, read)
  local Extractor = {}

  function Extractor:extract(headers) -- luacheck: ignore 212
    local context = has_any(headers, names) and read(headers)
    if not context then
      return nil
    end
    local trace_id = context.trace_id
    context.trace_id_original_size = trace_id and #trace_id
    context.trace_id = utils.to_kong_trace_id(trace_id)
    context.span_id = utils.to_kong_span_id(context.span_id)
    context.parent_id = utils.to_kong_span_id(context.parent_id)
    return context
  end

  return Extractor
end
