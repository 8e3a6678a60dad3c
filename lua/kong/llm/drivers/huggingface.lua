-- Hugging Face: the inference interface.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"
local openai = require "kong.llm.openai"

local ipairs, tostring = ipairs, tostring

local BASE = "https://api-inference.huggingface.co/models/"


-- What a request asks goes into `parameters`, where that does not say otherwise.
local function parameters_of(body)
  local parameters = body.parameters or {}
  for _, name in ipairs { "top_k", "top_p", "temperature" } do
    if parameters[name] == nil then
      parameters[name] = body[name]
    end
    body[name] = nil
  end
  if parameters.max_tokens == nil then
    -- so spelt by Kong, in requests of chats
    parameters[body.messages and "max_lenght" or "max_new_tokens"] = body.max_tokens
  end
  body.max_tokens = nil
  return parameters
end


local function request(body, model, route_type)
  local configured = model.options and model.options.huggingface or {}
  body.parameters = parameters_of(body)
  body.options = {
    use_cache = configured.use_cache or false,
    wait_for_model = configured.wait_for_model or false,
  }
  body.model = model.name or body.model
  if route_type == "llm/v1/completions" then
    body.inputs, body.prompt = body.prompt, nil
  end
  return body
end


local function answer(text, model, route_type)
  local body = cjson.decode(text)
  if not body then
    return nil, "Failed to decode response"
  elseif body.error or body.message then
    return nil, "API error: " .. tostring(body.error or body.message)
  end

  local choices = {}
  local generated = body[1] and body[1].generated_text
  if generated then
    choices[1] = { index = 0, message = { content = generated }, finish_reason = "complete" }
  elseif body.choices then
    for i, choice in ipairs(body.choices) do
      local content = choice.message and choice.message.content or ""
      choices[i] = { index = i - 1, message = { content = content }, finish_reason = "complete" }
    end
  else
    return nil, "Invalid response format"
  end
  return {
    model = model.name, object = body.object or route_type, choices = choices, usage = body.usage or {},
  }
end


local function event(incoming, model, route_type)
  if not incoming.data or incoming.data == "" then
    return nil
  end
  local body = cjson.decode(incoming.data)
  if not body then
    return nil, "failed to decode stream event frame from Hugging Face"
  elseif route_type == "stream/llm/v1/chat" then
    local choice = body.choices and body.choices[1]
    local content = choice and choice.delta and choice.delta.content or ""
    return openai.chat_event({ content = content, role = "assistant" }, {
      model = body.model or model.name,
    })
  end
  return openai.completion_event(body.token and body.token.text or "", { model = model.name })
end


return driver.define {
  name = "huggingface",
  to = { ["llm/v1/chat"] = request, ["llm/v1/completions"] = request },
  from = {
    ["llm/v1/chat"] = answer,
    ["llm/v1/completions"] = answer,
    ["stream/llm/v1/chat"] = event,
    ["stream/llm/v1/completions"] = event,
  },
  endpoint = function(route_type, model)
    local base = model.options and model.options.upstream_url or model.name and BASE .. model.name
    if not base or route_type == "llm/v1/completions" then
      return base
    end
    return base .. "/v1/chat/completions"
  end,
  keeps_path = true,
}
