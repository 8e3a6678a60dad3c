--- Taking trace contexts from requests, and giving them to upstreams.

local formats = require("kong.observability.tracing.propagation.utils").FORMATS
local tracing_context = require "kong.observability.tracing.tracing_context"

local kong, ngx = kong, ngx
local null = ngx.null
local concat, ipairs, next, pairs, setmetatable, type = table.concat, ipairs, next, pairs, setmetatable, type

local FOLDER = "kong.observability.tracing.propagation."

-- The order in which configurations of old look for contexts.
local OLD_ORDER = { formats.B3, formats.W3C, formats.JAEGER, formats.OT, formats.DATADOG, formats.AWS,
                    formats.GCP }

local _M = {}


local function is_given(value)
  return value ~= nil and value ~= null
end


-- ---- parameters -----------------------------------------------------------------------------

local function has_new_fields(propagation)
  for name, value in pairs(propagation) do
    if name ~= "default_format" and is_given(value) then
      return true
    end
  end
  return false
end


--- The parameters in a plugin's configuration: `propagation`, or what `header_type` and
-- `default_header_type` say.
function _M.get_plugin_params(config)
  local params = config.propagation or {}
  if has_new_fields(params) then
    return params
  end
  if is_given(config.default_header_type) then
    params.default_format = config.default_header_type
  end
  local kind = config.header_type
  if kind == "ignore" then
    params.inject = { params.default_format }
  elseif is_given(kind) then
    params.extract = OLD_ORDER
    params.inject = kind == "preserve" and { "preserve" } or { "preserve", kind }
  end
  return params
end


-- ---- steps ----------------------------------------------------------------------------------

--- The context in the first format of `conf.extract` that the request has; an empty one if it has none.
function _M.extract(conf)
  local headers = ngx.req.get_headers()
  for _, name in ipairs(is_given(conf.extract) and conf.extract or {}) do
    local context = require(FOLDER .. "extractors." .. name):extract(headers)
    if type(context) == "table" and next(context) ~= nil then
      kong.ctx.plugin.extracted_from = name
      return context
    end
  end
  return {}
end


--- Takes headers from the request.
function _M.clear(conf)
  for _, name in ipairs(is_given(conf.clear) and conf.clear or {}) do
    kong.service.request.clear_header(name)
  end
end


-- The format that `preserve` stands for: the one that the context came in.
local function preserved(conf, context)
  local name = kong.ctx.plugin.extracted_from or conf.default_format or formats.W3C
  return name == formats.B3 and context.single_header and formats.B3_SINGLE or name
end


--- Writes a context in all formats of `conf.inject`.
-- @return the trace id by format; nil and an error; nil when there are no formats
function _M.inject(conf, context)
  local ids, errors = nil, {}
  for _, name in ipairs(is_given(conf.inject) and conf.inject or {}) do
    if name == "preserve" then
      name = preserved(conf, context)
    end
    -- what one format changes is not for the next
    local own = setmetatable({}, { __index = context })
    local formatted, err = require(FOLDER .. "injectors." .. name):inject(own)
    if formatted then
      ids = tracing_context.add_trace_id_formats(formatted)
    else
      errors[#errors + 1] = err
    end
  end
  if errors[1] then
    return nil, concat(errors, ", ")
  end
  return ids
end


--- All steps. `change(context, …)` answers the context for the upstream.
function _M.propagate(conf, change, ...)
  local context = _M.extract(conf)
  if change then
    context = change(context, ...)
  end
  _M.clear(conf)
  local ids, err = _M.inject(conf, context)
  if ids then
    kong.log.set_serialize_value("trace_id", ids)
  elseif err then
    kong.log.err(err)
  end
end


return _M
