-- The request to a model: checked, translated, and sent to its provider.

local context = require "kong.llm.context"
local deep_copy = require("kong.tools.table").cycle_aware_deep_copy
local identity_of = require "kong.llm.identity"
local llm = require "kong.llm"
local model_options = require "kong.llm.model_options"
local tokens = require "kong.llm.tokens"

local kong = kong
local pairs, require, type = pairs, require, type

-- Providers that tell the tokens of streams, too; for others they are estimated: by word, more in streams.
local COUNTING = { cohere = true, llama2 = true, anthropic = true, gemini = true, bedrock = true }
local STREAM_FACTOR = 1.8

local ERR_PROMPTS = "request body doesn't contain valid prompts"
local ERR_MODEL = "model parameter not found in request, nor in gateway configuration"
local ERR_STREAM = "response streaming is not enabled for this LLM"
local ERR_IDENTITY = "LLM request failed before proxying"

local _M = {}


local function refuse(message)
  kong.log.info(message)
  return kong.response.exit(400, { error = { message = message } })
end


-- The request to change; messages are never changed.
local function copy_of(body)
  local copy = {}
  for name, value in pairs(body) do
    copy[name] = name == "messages" and value or deep_copy(value)
  end
  return copy
end


local function has_prompt(body)
  return type(body.messages) == "table" and #body.messages > 0 or type(body.prompt) == "string"
end


-- Finds the model's name, in the configuration or the request; returns an error.
local function name_model(conf, model, body)
  local wanted = type(body.model) == "string" and body.model or nil
  model.name = model.name or wanted
  if wanted and wanted ~= "" and wanted ~= model.name then
    return "cannot use own model - must be: " .. model.name
  elseif not model.name and conf.route_type ~= "preserve" then
    return ERR_MODEL
  end
end


-- Whether the answer is to be streamed; returns an error.
local function choose_stream(conf, state, body)
  state.stream = not not (body.stream or conf.response_streaming == "always")
  if not state.stream then
    kong.service.request.enable_buffering()
    return nil
  end
  body.stream = true
  return conf.response_streaming == "deny" and ERR_STREAM or nil
end


-- Puts the body for the provider in place of the client's; returns an error.
local function translate(conf, state, body, driver)
  if state.adapter or conf.route_type == "preserve" then
    return nil
  end
  local translated, content_type, err = driver.to_format(body, state.model, conf.route_type)
  if err then
    return err
  end
  local auth = conf.auth
  local name = auth and auth.param_location == "body" and auth.param_name
  if name and auth.param_value and (translated[name] == nil or not auth.allow_override) then
    translated[name] = auth.param_value
  end
  kong.service.request.set_body(translated, content_type)
end


-- Checks and translates; returns an error that is the client's.
local function prepare(conf, state)
  local model, err = model_options(kong.request, conf.model)
  if not model then
    return err
  end
  state.preserve = conf.route_type == "preserve"
  if not state.preserve and not has_prompt(state.body or {}) then
    return ERR_PROMPTS
  end
  local body = copy_of(state.body or {})
  state.body = body
  err = name_model(conf, model, body)
  if err then
    return err
  end
  state.model = model

  if not state.multipart then
    local compatible, reason = llm.is_compatible(body, conf.route_type)
    if not compatible then
      return reason
    end
  end
  err = choose_stream(conf, state, body)
  if err then
    return err
  end
  local driver = require("kong.llm.drivers." .. conf.model.provider)
  local ok
  ok, err = driver.pre_request(conf)
  return not ok and err or translate(conf, state, body, driver)
end


local function estimate(conf, state)
  if COUNTING[conf.model.provider] then
    return true
  end
  local count, err = tokens.estimate(state.body, state.stream and STREAM_FACTOR or 1)
  if not count then
    kong.log.err("unable to estimate request token cost: ", err)
  end
  state.counts.prompt = count
  return count
end


function _M.access(conf)
  local state = context.parse(conf)
  local err = prepare(conf, state)
  if err then
    return refuse(err)
  elseif not estimate(conf, state) then
    return kong.response.exit(500)
  end

  local identity
  identity, err = identity_of(conf)
  if err then
    kong.log.err("error authenticating with ", conf.model.provider, " using native provider auth, ", err)
    return kong.response.exit(500, { error = { message = ERR_IDENTITY } })
  end
  local driver = require("kong.llm.drivers." .. conf.model.provider)
  local configured, problem = driver.configure_request(conf, identity)
  if not configured then
    kong.log.err("failed to configure request for AI service: ", problem)
    return kong.response.exit(500)
  end
end


return _M
