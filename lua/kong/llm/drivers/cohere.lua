-- Cohere: chat with a history, and generation.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"
local openai = require "kong.llm.openai"
local openai_driver = require "kong.llm.drivers.openai"

local ipairs = ipairs
local null = cjson.null

local BASE = "https://api.cohere.com:443"
local PATHS = { ["llm/v1/chat"] = "/v1/chat", ["llm/v1/completions"] = "/v1/generate" }
local BOTS = { assistant = true, CHATBOT = true }


-- The last message asks; those before it are the history.
local function add_messages(body)
  local messages = body.messages
  local count = #messages
  if count > 1 then
    body.chat_history = {}
    for i = 1, count - 1 do
      local message = messages[i]
      body.chat_history[i] = { role = BOTS[message.role] and "CHATBOT" or "USER", message = message.content }
    end
  end
  body.message, body.messages = messages[count].content, nil
end


local function request(body, model)
  if body.prompt and body.messages then
    return nil, "cannot run a 'prompt' and a history of 'messages' at the same time - refer to schema"
  elseif body.messages then
    add_messages(body)
  elseif body.prompt then
    body.message = nil
  end
  body.p, body.k = body.top_p, body.top_k
  body.top_p, body.top_k = nil, nil
  body.model = model.name or body.model
  body.stream = body.stream or false
  return body
end


-- ---- answers --------------------------------------------------------------------------------

local function billed(holder)
  local units = holder and holder.billed_units or {}
  return openai.usage(units.input_tokens, units.output_tokens)
end


local function generations(body, model)
  local answer = openai.completion(nil, nil, { id = body.id, model = model.name, usage = billed(body.meta) })
  for i, generation in ipairs(body.generations) do
    answer.choices[i] = { index = i - 1, text = generation.text, finish_reason = "stop" }
  end
  return answer
end


local function chat_answer(text, model)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode cohere response"
  elseif body.prompt and body.generations then
    return generations(body, model)
  elseif body.text then
    return openai.chat({ content = body.text }, "stop", {
      id = body.generation_id, model = model.name, usage = billed(body.meta),
    })
  elseif body.message then
    local message = body.message
    return openai.chat({
      content = message.tool_plan or message.content, tool_calls = message.tool_calls,
    }, body.finish_reason, { id = body.id, model = model.name, usage = billed(body.usage) })
  end
  return nil, "'text' or 'generations' missing from cohere response body"
end


local function completion_answer(text, model)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode cohere response"
  elseif body.prompt and body.generations then
    return generations(body, model)
  elseif body.text then
    local counts = body.token_count or {}
    return openai.chat({ content = body.text }, "stop", {
      id = body.generation_id, model = model.name,
      usage = openai.usage(counts.prompt_tokens, counts.response_tokens, counts.total_tokens),
    })
  end
  return nil, "'text' or 'generations' missing from cohere response body"
end


-- ---- events ---------------------------------------------------------------------------------

local function counts_of(body)
  local response = body.response or {}
  local billed_units, counts = response.meta and response.meta.billed_units or {}, response.token_count or {}
  return {
    prompt_tokens = billed_units.input_tokens or counts.prompt_tokens or 0,
    completion_tokens = billed_units.output_tokens or counts.response_tokens or 0,
  }
end


local function event(incoming, model, route_type)
  if not incoming.data or incoming.data == "" then
    return nil
  end
  local body, err = cjson.decode(incoming.data)
  if not body then
    return nil, "failed to decode event frame from cohere: " .. err
  end

  local memo = kong and kong.ctx and kong.ctx.plugin or {}
  local kind = body.event_type
  if kind == "stream-start" then
    memo.ai_proxy_cohere_stream_id = body.generation_id
    return openai.chat_event({ content = "", role = "assistant" }, {
      id = body.generation_id, model = model.name,
    })
  elseif kind == "text-generation" then
    local shape, said = openai.completion_event, body.text or ""
    if route_type == "stream/llm/v1/chat" then
      shape, said = openai.chat_event, { content = said }
    end
    return shape(said, { id = memo.ai_proxy_cohere_stream_id, model = model.name },
                 { finish_reason = null, logprobs = null })
  elseif kind == "stream-end" then
    return openai.DONE, nil, counts_of(body)
  end
end


return driver.define {
  name = "cohere",
  delegate = function(_, body)
    return body and body.tools and openai_driver
  end,
  to = { ["llm/v1/chat"] = request, ["llm/v1/completions"] = request },
  from = {
    ["llm/v1/chat"] = chat_answer,
    ["llm/v1/completions"] = completion_answer,
    ["stream/llm/v1/chat"] = event,
    ["stream/llm/v1/completions"] = event,
  },
  endpoint = function(route_type, model)
    return driver.url(model, BASE, PATHS[route_type])
  end,
}
