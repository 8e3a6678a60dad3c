-- What is known of a request's trace beside its spans: the trace id as it came and in the formats it
-- goes out in, flags, and spans that wait to be linked.

local ngx = ngx
local next, pairs = next, pairs

local _M = {}


local function context(ctx)
  ctx = ctx or ngx.ctx
  local tracing = ctx.TRACING_CONTEXT
  if not tracing then
    tracing = { trace_id = { formatted = {} }, unlinked_spans = {} }
    ctx.TRACING_CONTEXT = tracing
  end
  return tracing
end


-- Adds the trace id in further formats; answers all that are known.
function _M.add_trace_id_formats(formats, ctx)
  local trace_id = context(ctx).trace_id
  if next(trace_id.formatted) == nil then
    trace_id.formatted = formats
  else
    for format, text in pairs(formats) do
      trace_id.formatted[format] = text
    end
  end
  return trace_id.formatted
end


function _M.get_raw_trace_id(ctx)
  return context(ctx).trace_id.raw
end


function _M.set_raw_trace_id(trace_id, ctx)
  context(ctx).trace_id.raw = trace_id
end


function _M.get_flags(ctx)
  return context(ctx).flags
end


function _M.set_flags(flags, ctx)
  context(ctx).flags = flags
end


function _M.get_unlinked_span(name, ctx)
  return context(ctx).unlinked_spans[name]
end


function _M.set_unlinked_span(name, span, ctx)
  context(ctx).unlinked_spans[name] = span
end


return _M
