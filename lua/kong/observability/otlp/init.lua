--- Traces and logs as OpenTelemetry's protocol has them (OTLP 1.0): messages by the numbers of their fields.

local protobuf = require "kong.observability.otlp.protobuf"
local records = require "kong.observability.otlp.records"
local utils = require "kong.observability.tracing.propagation.utils"

local kong = kong
local concat, ipairs, pairs, setmetatable, type = table.concat, ipairs, pairs, setmetatable, type
local bytes, fixed32, fixed64, number = protobuf.bytes, protobuf.fixed32, protobuf.fixed64, protobuf.number

local SCOPE = bytes(1, "kong-internal") .. bytes(2, "0.1.0")
local NOTHING = {}

local _M = {
  to_ot_trace_id = utils.to_kong_trace_id,
  transform_span = records.span,
  prepare_logs = records.logs,
}


-- ---- attributes -----------------------------------------------------------------------------

local any_value


-- A repeated field of attributes.
local function attributes(field, list)
  local parts = {}
  for i, record in ipairs(list or NOTHING) do
    parts[i] = bytes(field, bytes(1, record.key) .. bytes(2, any_value(record.value)))
  end
  return concat(parts)
end


function any_value(value)
  if value.string_value then
    return bytes(1, value.string_value)
  elseif value.bool_value ~= nil then
    return protobuf.bool(2, value.bool_value)
  elseif value.int_value then
    return number(3, value.int_value)
  elseif value.double_value then
    return protobuf.double(4, value.double_value)
  elseif value.kvlist_value then
    return bytes(6, attributes(1, value.kvlist_value.values))
  elseif not value.array_value then
    return ""
  end
  local parts = {}
  for i, item in ipairs(value.array_value.values) do
    parts[i] = bytes(1, any_value(item))
  end
  return bytes(5, concat(parts))
end


-- ---- messages -------------------------------------------------------------------------------

local function events(field, list)
  local parts = {}
  for i, event in ipairs(list or NOTHING) do
    local text = fixed64(1, event.time_unix_nano) .. bytes(2, event.name) .. attributes(3, event.attributes)
    parts[i] = bytes(field, text)
  end
  return concat(parts)
end


local function span_message(span)
  local parent = span.parent_span_id
  return concat {
    bytes(1, span.trace_id),
    bytes(2, span.span_id),
    parent and parent ~= "" and bytes(4, parent) or "",
    bytes(5, span.name),
    number(6, span.kind),
    fixed64(7, span.start_time_unix_nano),
    fixed64(8, span.end_time_unix_nano or span.start_time_unix_nano),
    attributes(9, span.attributes),
    events(11, span.events),
    span.status and bytes(15, number(3, span.status.code)) or "",
  }
end


local function log_message(log)
  return concat {
    fixed64(1, log.time_unix_nano),
    log.severity_number and number(2, log.severity_number) or "",
    log.severity_text and bytes(3, log.severity_text) or "",
    log.body and bytes(5, any_value(log.body)) or "",
    attributes(6, log.attributes),
    log.flags and fixed32(8, log.flags) or "",
    log.trace_id and bytes(9, log.trace_id) or "",
    log.span_id and bytes(10, log.span_id) or "",
    fixed64(11, log.observed_time_unix_nano or log.time_unix_nano),
  }
end


--- The message of a span that has ended.
function _M.encode_span(span)
  return span_message(records.span(span))
end


-- ---- requests -------------------------------------------------------------------------------

-- The attributes of this node, by those that a configuration adds.
local resources = setmetatable({}, { __mode = "k" })


local function resource(more)
  more = more or NOTHING
  local known = resources[more]
  if not known then
    local all = { ["service.name"] = "kong", ["service.instance.id"] = kong.node.get_id(),
                  ["service.version"] = kong.version }
    for key, value in pairs(more) do
      all[key] = value
    end
    known = attributes(1, records.attributes(all))
    resources[more] = known
  end
  return known
end


-- A request that exports what one scope has to tell: messages, or what `encode` makes messages of.
local function export(list, encode, resource_attributes)
  local parts = { bytes(1, SCOPE) }
  for i, item in ipairs(list) do
    parts[i + 1] = bytes(2, type(item) == "string" and item or encode(item))
  end
  return bytes(1, bytes(1, resource(resource_attributes)) .. bytes(2, concat(parts)))
end


--- A request that exports spans, each encoded already or as `transform_span` answers it.
function _M.encode_traces(spans, resource_attributes)
  return export(spans, span_message, resource_attributes)
end


--- A request that exports prepared log entries.
function _M.encode_logs(logs, resource_attributes)
  return export(logs, log_message, resource_attributes)
end


return _M
