-- kong.observability.logs: what Lua code logs, kept for plugins that export it: lines of a request with the
-- request, all others with the worker.
--
-- It runs inside of `ngx.log`: it may neither wait nor log through it.

local LOG_LEVELS = require("kong.constants").LOG_LEVELS
local get_log_level = require("resty.kong.log").get_log_level
local request_id = require "kong.observability.tracing.request_id"
local time_ns = require("kong.tools.time").time_ns
local tools = require "kong.tools.table"

local kong, ngx = kong, ngx
local native_log = native_ngx_log or ngx.log
local concat, getinfo, pairs, pcall, select, tostring =
  table.concat, debug.getinfo, pairs, pcall, select, tostring

-- Most lines that a request, or the worker, holds.
local MOST = 1000
local OF_REQUEST = "o11y_logs_request_scoped"

local worker_logs = {}
local is_full = false

local _M = {}


local function level_in_force()
  local ok, level = pcall(get_log_level)
  return ok and level or LOG_LEVELS[kong.configuration.log_level]
end


local function request_logs()
  local list = ngx.ctx[OF_REQUEST]
  if not list then
    list = {}
    ngx.ctx[OF_REQUEST] = list
  end
  return list
end


-- Whether a list takes one more; told once when it begins and ends to refuse.
local function has_room(list)
  local full = #list >= MOST
  if full ~= is_full then
    is_full = full
    native_log(ngx.NOTICE, full and "[observability] the buffer of log entries is full: new ones are dropped"
                           or "[observability] the buffer of log entries takes new ones again")
  end
  return not full
end


local function text_of(...)
  local parts, count = {}, select("#", ...)
  -- What is missing at the end was not meant to be told.
  while count > 0 and select(count, ...) == nil do
    count = count - 1
  end
  for i = 1, count do
    local value = select(i, ...)
    parts[i] = value == ngx.null and "nil" or tostring(value)
  end
  return concat(parts)
end


local function attributes_of(id, info, more)
  local attributes = {
    ["request.id"] = id,
    ["introspection.current.line"] = info.currentline,
    ["introspection.name"] = info.name,
    ["introspection.namewhat"] = info.namewhat,
    ["introspection.source"] = info.source,
    ["introspection.what"] = info.what,
  }
  for name, value in pairs(more or {}) do
    attributes[name] = value
  end
  return attributes
end


local function active_span_id()
  local span = kong.tracing and kong.tracing.active_span()
  return span and span.span_id
end


-- Keeps a line that the function at `stack_level` logs, with attributes beside those that tell where it is
-- from; without a level it is always kept.
function _M.maybe_push(stack_level, attributes, level, ...)
  if level and level > level_in_force() then
    return
  end
  local id = request_id.get()
  local list = id and request_logs() or worker_logs
  if not has_room(list) then
    return
  end
  local now = time_ns()
  list[#list + 1] = {
    time_unix_nano = now,
    observed_time_unix_nano = now,
    log_level = level,
    body = text_of(...),
    attributes = attributes_of(id, getinfo(stack_level, "nSl") or {}, attributes),
    span_id = id and active_span_id() or nil,
  }
end


-- The worker's lines; whoever asks takes them away.
function _M.get_worker_logs()
  local taken = worker_logs
  worker_logs = {}
  return taken
end


-- A copy of the request's lines.
function _M.get_request_logs()
  return tools.deep_copy(request_logs())
end


return _M
