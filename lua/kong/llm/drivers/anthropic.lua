-- Anthropic: messages and completions.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"
local openai = require "kong.llm.openai"

local concat, fmt, ipairs = table.concat, string.format, ipairs
local null = cjson.null

local BASE = "https://api.anthropic.com:443"
local PATHS = { ["llm/v1/chat"] = "/v1/messages", ["llm/v1/completions"] = "/v1/complete" }
local SPEAKERS = { assistant = "Assistant: ", user = "Human: " }


-- ---- requests -------------------------------------------------------------------------------

local function tool_uses(calls)
  local blocks = {}
  for i, call in ipairs(calls) do
    local called = call["function"]
    local input = cjson.decode(called.arguments)
    blocks[i] = { type = "tool_use", id = call.id, name = called.name, input = input }
  end
  return blocks
end


local function tools_of(tools)
  local known = {}
  for _, tool in ipairs(tools) do
    local declared = tool["function"]
    if declared then
      declared.input_schema, declared.parameters = declared.parameters, nil
      known[#known + 1] = declared
    end
  end
  return known
end


-- The messages without the system's, and what that says.
local function messages_of(messages)
  local kept, system = {}, nil
  for _, message in ipairs(messages) do
    local role = message.role
    if role == "tool" then
      kept[#kept + 1] = { role = "user", content = {
        { type = "tool_result", tool_use_id = message.tool_call_id, content = message.content },
      } }
    elseif role == "assistant" and message.tool_calls then
      kept[#kept + 1] = { role = role, content = tool_uses(message.tool_calls) }
    elseif role == "assistant" or role == "user" then
      kept[#kept + 1] = message
    else
      system = message.content
    end
  end
  return kept, system
end


local function chat(body, model)
  if not body.messages then
    return nil, "request is missing .messages command"
  end
  local messages, system = messages_of(body.messages)
  return {
    messages = messages,
    system = system,
    model = model.name or body.model,
    max_tokens = body.max_tokens,
    temperature = body.temperature,
    stream = body.stream or false,
    tools = body.tools and tools_of(body.tools),
    tool_choice = body.tool_choice,
  }
end


local function conversation(messages)
  local parts = {}
  for _, message in ipairs(messages) do
    parts[#parts + 1] = (SPEAKERS[message.role] or "") .. message.content .. "\n\n"
  end
  return concat(parts) .. "Assistant:"
end


local function completion(body, model)
  if not body.prompt and not body.messages then
    return nil, "request is missing .prompt and .messages commands"
  end
  return {
    prompt = body.prompt and fmt("Human: %s\n\nAssistant:", body.prompt) or conversation(body.messages),
    model = model.name or body.model,
    max_tokens_to_sample = body.max_tokens,
    temperature = body.temperature,
    stream = body.stream or false,
  }
end


-- ---- answers --------------------------------------------------------------------------------

local function message_in(content)
  local texts, calls = {}, nil
  for i, block in ipairs(content) do
    if block.text then
      texts[#texts + 1] = (i > 1 and "\n" or "") .. block.text
    end
    if block.type == "tool_use" then
      calls = calls or {}
      calls[#calls + 1] = { id = block.id, type = "function", ["function"] = {
        name = block.name, arguments = cjson.encode(block.input),
      } }
    end
  end
  return { content = concat(texts), tool_calls = calls }
end


local function chat_answer(text)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode anthropic response"
  elseif not body.content then
    return nil, "'content' not in anthropic://llm/v1/chat response"
  end
  local usage = body.usage and openai.usage(body.usage.input_tokens, body.usage.output_tokens)
  return openai.chat(message_in(body.content), body.stop_reason, {
    model = body.model, usage = usage or "no usage data returned from upstream",
  })
end


local function completion_answer(text)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode anthropic response"
  elseif not body.completion then
    return nil, "'completion' not in anthropic://llm/v1/chat response"
  end
  return openai.completion(body.completion, body.stop_reason, { model = body.model })
end


-- ---- events ---------------------------------------------------------------------------------

local function started(body, model)
  local message = body.message
  if not message then
    return nil, "message_start is missing the metadata block"
  end
  local usage = message.usage or {}
  kong.ctx.plugin.ai_proxy_anthropic_stream_id = message.id
  local event = openai.chat_event({ content = "", role = message.role }, {
    id = message.id, model = model.name, system_fingerprint = null,
  }, { logprobs = null })
  return event, nil, { prompt_tokens = usage.input_tokens, completion_tokens = usage.output_tokens }
end


local function ending(body)
  if not body.usage then
    return nil, "message_delta is missing the metadata block"
  end
  return nil, nil, { completion_tokens = body.usage.output_tokens }
end


local function said(body, model)
  return openai.chat_event({ content = body.delta and body.delta.text or "" }, {
    id = kong.ctx.plugin.ai_proxy_anthropic_stream_id, model = model.name,
  }, { finish_reason = null, logprobs = null })
end


local EVENTS = {
  message_start = started,
  message_delta = ending,
  content_block_start = said,
  content_block_delta = said,
  message_stop = function()
    return openai.DONE
  end,
}


local function event(incoming, model)
  local body = cjson.decode(incoming.data or "")
  if not incoming.event or not body then
    return nil, "transformation to stream event failed or empty stream event received"
  end
  local translate = EVENTS[incoming.event]
  if translate then
    return translate(body, model)
  end
end


return driver.define {
  name = "anthropic",
  to = { ["llm/v1/chat"] = chat, ["llm/v1/completions"] = completion },
  from = {
    ["llm/v1/chat"] = chat_answer,
    ["llm/v1/completions"] = completion_answer,
    ["stream/llm/v1/chat"] = event,
  },
  endpoint = function(route_type, model)
    return driver.url(model, BASE, PATHS[route_type])
  end,
  headers = function(model)
    return { ["anthropic-version"] = model.options.anthropic_version }
  end,
}
