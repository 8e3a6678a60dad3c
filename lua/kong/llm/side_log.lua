-- What logs tell of models that are asked on the side: `ai.PLUGIN.meta`, `.usage`, `.cache` and `.payload`.

local cjson = require "cjson.safe"
local context = require "kong.llm.context"

local ngx = ngx
local floor, match, pairs, type = math.floor, string.match, pairs, type

local _M = {}


-- The plugin that a configuration is of.
local function plugin_of(conf)
  return match(conf.__key__ or "", "plugins:(.-):")
end


local function logs(conf, what)
  return conf.logging and conf.logging[what]
end


-- Notes that a model is asked.
function _M.asked(conf)
  local plugin = plugin_of(conf)
  if not plugin then
    return
  end
  if logs(conf, "log_payloads") then
    kong.log.set_serialize_value("ai." .. plugin .. ".payload.request", kong.request.get_raw_body())
  end
  kong.ctx.plugin["ai_request_start_time_" .. plugin] = ngx.now()
end


local function meta_of(conf, body, latency)
  local meta = {
    plugin_id = conf.__plugin_id,
    provider_name = conf.model.provider,
    request_model = context.model().name or "UNSPECIFIED",
    response_model = body.model or conf.model.name,
    llm_latency = latency,
  }
  for name, value in pairs(kong.ctx.plugin.ai_extra_meta or {}) do
    meta[name] = value
  end
  return meta
end


-- The usage that an answer tells.
local function usage_of(conf, body, latency)
  local told = body.usage
  if type(told) ~= "table" then
    return {}
  end
  local prompt, completion = told.prompt_tokens, told.completion_tokens
  local usage = { prompt_tokens = prompt, completion_tokens = completion, total_tokens = told.total_tokens }
  if latency and completion then
    usage.time_per_token = completion > 0 and floor(latency / completion) or 0
  end
  local options = conf.model.options
  if prompt and completion and options and options.input_cost and options.output_cost then
    usage.cost = (prompt * options.input_cost + completion * options.output_cost) / 1000000
  end
  return usage
end


-- Notes what it answered, in OpenAI's format.
function _M.answered(conf, text)
  local plugin, body = plugin_of(conf), cjson.decode(text)
  if not plugin or type(body) ~= "table" then
    return
  end
  local started = kong.ctx.plugin["ai_request_start_time_" .. plugin]
  local latency = started and floor((ngx.now() - started) * 1000)
  local usage, prefix = usage_of(conf, body, latency), "ai." .. plugin .. "."
  if logs(conf, "log_payloads") then
    kong.log.set_serialize_value(prefix .. "payload.response", text)
  end
  if logs(conf, "log_statistics") then
    kong.log.set_serialize_value(prefix .. "meta", meta_of(conf, body, latency))
    kong.log.set_serialize_value(prefix .. "usage", usage)
    kong.log.set_serialize_value(prefix .. "cache", {})
  end
end


return _M
