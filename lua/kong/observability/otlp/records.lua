--- Spans and log entries in the form of OpenTelemetry's messages: tables by the names of their fields.

local is_array = require("kong.tools.table").is_array
local utils = require "kong.observability.tracing.propagation.utils"

local ngx = ngx
local ipairs, pairs, type = ipairs, pairs, type

-- Number and text of a severity, by level.
local SEVERITIES = {
  [ngx.DEBUG] = { 5, "DEBUG" }, [ngx.INFO] = { 9, "INFO" }, [ngx.NOTICE] = { 11, "NOTICE" },
  [ngx.WARN] = { 13, "WARN" }, [ngx.ERR] = { 17, "ERR" }, [ngx.CRIT] = { 19, "CRIT" },
  [ngx.ALERT] = { 21, "ALERT" }, [ngx.EMERG] = { 23, "EMERG" },
}
local UNKNOWN = {}
local FIELDS = { string = "string_value", number = "double_value", boolean = "bool_value" }

local _M = {}

local attributes


local function value_of(value, key)
  local kind = type(value)
  if kind == "table" and is_array(value) then
    local values = {}
    for i, item in ipairs(value) do
      values[i] = value_of(item)
    end
    return { array_value = { values = values } }
  elseif kind == "table" then
    return { kvlist_value = { values = attributes(value) } }
  end
  local field = key == "http.status_code" and "int_value" or FIELDS[kind]
  return field and { [field] = value } or {}
end


function attributes(values)
  local list, count = {}, 0
  for key, value in pairs(values) do
    count = count + 1
    list[count] = { key = key, value = value_of(value, key) }
  end
  return list
end

_M.attributes = attributes


local function events(list)
  local out = {}
  for i, event in ipairs(list) do
    out[i] = { name = event.name, time_unix_nano = event.time_ns,
               attributes = event.attributes and attributes(event.attributes) }
  end
  return out
end


--- A span that has ended.
function _M.span(span)
  return {
    trace_id = utils.to_kong_trace_id(span.trace_id),
    span_id = span.span_id,
    parent_span_id = span.parent_id and utils.to_kong_span_id(span.parent_id) or "",
    name = span.name,
    kind = span.kind or 0,
    start_time_unix_nano = span.start_time_ns,
    end_time_unix_nano = span.end_time_ns,
    attributes = span.attributes and attributes(span.attributes),
    events = span.events and events(span.events),
    status = span.status and { code = span.status },
  }
end


--- Gives entries of `kong.observability.logs` this form, and the trace they belong to.
function _M.logs(logs, trace_id, flags)
  for _, log in ipairs(logs) do
    local severity = SEVERITIES[log.log_level] or UNKNOWN
    log.severity_number, log.severity_text = severity[1], severity[2]
    log.log_level = nil
    log.trace_id, log.flags = trace_id, flags
    log.attributes = attributes(log.attributes)
    log.body = { string_value = log.body }
  end
  return logs
end


return _M
