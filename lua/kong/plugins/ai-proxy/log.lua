-- What logs tell of an answer: `ai.proxy.meta`, `.usage` and `.payload`.

local cjson = require "cjson.safe"
local context = require "kong.llm.context"

local kong, ngx = kong, ngx
local pairs, type = pairs, type

local _M = {}


-- The model that answered, as it says itself.
local function response_model(state)
  local text = state.response_body
  if text and state.adapter then
    return state.adapter:extract_response_model(text)
  end
  local body = text and cjson.decode(text)
  return type(body) == "table" and body.model or nil
end


-- Sets what the request's log entry has of the model.
function _M.write(conf, state)
  local logging = conf.logging
  if state.logged or not logging or not logging.log_statistics then
    return
  end
  state.logged = true
  local model = context.model()
  local name = model.name or "UNSPECIFIED"
  local meta = {
    plugin_id = conf.__plugin_id,
    provider_name = model.provider,
    request_model = name,
    response_model = response_model(state) or name,
    llm_latency = state.counts.latency or 0,
  }
  for key, value in pairs(kong.ctx.plugin.ai_extra_meta or {}) do
    meta[key] = value
  end
  kong.log.set_serialize_value("ai.proxy.meta", meta)
  kong.log.set_serialize_value("ai.proxy.usage", context.usage())
  if logging.log_payloads then
    kong.log.set_serialize_value("ai.proxy.payload.request", ngx.req.get_body_data())
    kong.log.set_serialize_value("ai.proxy.payload.response", state.response_body)
  end
end


return _M
