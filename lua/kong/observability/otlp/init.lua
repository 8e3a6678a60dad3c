--- Traces as OpenTelemetry's protocol has them (OTLP 1.0): messages by the numbers of their fields.

local is_array = require("kong.tools.table").is_array
local protobuf = require "kong.observability.otlp.protobuf"
local utils = require "kong.observability.tracing.propagation.utils"

local kong = kong
local concat, ipairs, pairs, setmetatable, type = table.concat, ipairs, pairs, setmetatable, type
local bytes, fixed64, number = protobuf.bytes, protobuf.fixed64, protobuf.number

local SCOPE = bytes(1, "kong-internal") .. bytes(2, "0.1.0")

local _M = {}


-- ---- attributes -----------------------------------------------------------------------------

local any_value


local function key_value(key, value)
  return bytes(1, key) .. bytes(2, any_value(value, key))
end


local function list_value(value)
  local parts = {}
  if is_array(value) then
    for i, item in ipairs(value) do
      parts[i] = bytes(1, any_value(item))
    end
    return bytes(5, concat(parts))
  end
  for key, item in pairs(value) do
    parts[#parts + 1] = bytes(1, key_value(key, item))
  end
  return bytes(6, concat(parts))
end


function any_value(value, key)
  local kind = type(value)
  if kind == "string" then
    return bytes(1, value)
  elseif kind == "boolean" then
    return protobuf.bool(2, value)
  elseif kind == "number" and key == "http.status_code" then
    return number(3, value)
  elseif kind == "number" then
    return protobuf.double(4, value)
  end
  return kind == "table" and list_value(value) or ""
end


-- A repeated field of attributes.
local function attributes(field, values)
  local parts = {}
  for key, value in pairs(values or {}) do
    parts[#parts + 1] = bytes(field, key_value(key, value))
  end
  return concat(parts)
end


-- ---- spans ----------------------------------------------------------------------------------

local function events(field, list)
  local parts = {}
  for i, event in ipairs(list or {}) do
    local text = fixed64(1, event.time_ns) .. bytes(2, event.name) .. attributes(3, event.attributes)
    parts[i] = bytes(field, text)
  end
  return concat(parts)
end


--- The message of a span that has ended.
function _M.encode_span(span)
  return concat {
    bytes(1, utils.to_kong_trace_id(span.trace_id)),
    bytes(2, span.span_id),
    span.parent_id and bytes(4, utils.to_kong_span_id(span.parent_id)) or "",
    bytes(5, span.name),
    number(6, span.kind or 0),
    fixed64(7, span.start_time_ns),
    fixed64(8, span.end_time_ns or span.start_time_ns),
    attributes(9, span.attributes),
    events(11, span.events),
    span.status and bytes(15, number(3, span.status)) or "",
  }
end


-- The attributes of this node, by those that a configuration adds.
local resources = setmetatable({}, { __mode = "k" })
local PLAIN = {}


local function resource(more)
  more = more or PLAIN
  local known = resources[more]
  if not known then
    local all = { ["service.name"] = "kong", ["service.instance.id"] = kong.node.get_id(),
                  ["service.version"] = kong.version }
    for key, value in pairs(more) do
      all[key] = value
    end
    known = attributes(1, all)
    resources[more] = known
  end
  return known
end


--- A request that exports spans, each encoded already.
function _M.encode_traces(spans, resource_attributes)
  local parts = { bytes(1, SCOPE) }
  for i, span in ipairs(spans) do
    parts[i + 1] = bytes(2, span)
  end
  return bytes(1, bytes(1, resource(resource_attributes)) .. bytes(2, concat(parts)))
end


return _M
