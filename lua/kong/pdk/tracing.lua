-- kong.tracing: spans. No tracer is on, so that each span is the one that does nothing.

local error, getmetatable, setmetatable, type = error, getmetatable, setmetatable, type

local function nothing() end

local span = setmetatable({
  is_recording = false,
  finish = nothing,
  set_attribute = nothing,
  add_event = nothing,
  record_error = nothing,
  set_status = nothing,
  each_baggage_item = function() return nothing end,
}, { __newindex = nothing })

local function the_span()
  return span
end

local tracer

local methods = {
  name = "noop",
  spans_table_key = "noop",
  start_span = the_span,
  create_span = the_span,
  get_spans = nothing,
  get_root_span = nothing,
  init_spans = nothing,
  link_span = nothing,
  active_span = nothing,
  set_active_span = nothing,
  process_span = nothing,
  set_should_sample = nothing,
  get_sampling_decision = nothing,
}

-- Every tracer is this one until spans are recorded.
function methods.new()
  return tracer
end

function methods.set_global_tracer(given)
  if type(given) ~= "table" or getmetatable(given) ~= getmetatable(tracer) then
    error("invalid tracer", 2)
  end
end

tracer = setmetatable(methods, { __call = methods.new, __newindex = nothing })

return { new = methods.new }
