-- Bedrock: the models on AWS, by its Converse interface.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"
local openai = require "kong.llm.openai"

local find, fmt, ipairs, next, type = string.find, string.format, ipairs, next, type
local null = cjson.null

local BASE = "https://bedrock-runtime.%s.amazonaws.com"
local ROLES = { system = "assistant", user = "user", assistant = "assistant", tool = "user" }
local REASONS = {
  max_tokens = "length", end_turn = "stop", tool_use = "tool_calls",
  guardrail_intervened = "guardrail_intervened",
}
-- Models that take no word from the system.
local WITHOUT_SYSTEM = {
  "amazon.titan.-.*",
  "cohere.command.-text.-.*",
  "cohere.command.-light.-text.-.*",
  "mistral.mistral.-7b.-instruct.-.*",
  "mistral.mixtral.-8x7b.-instruct.-.*",
}


-- Whether a model can be told something by the system.
local function takes_system(name)
  for _, pattern in ipairs(WITHOUT_SYSTEM) do
    if find(name, pattern) then
      return false
    end
  end
  return true
end


-- ---- requests -------------------------------------------------------------------------------

local function tools_of(tools)
  local known
  for _, tool in ipairs(tools or {}) do
    local declared = tool["function"]
    if declared then
      known = known or {}
      known[#known + 1] = { toolSpec = {
        name = declared.name, description = declared.description,
        inputSchema = { json = declared.parameters },
      } }
    end
  end
  return known
end


local function result_of(message)
  local result = cjson.decode(message.content)
  if result == nil then
    return nil, "failed to decode function response arguments, not JSON format"
  end
  return { { toolResult = {
    toolUseId = message.tool_call_id,
    content = { { json = type(result) == "table" and result or { result = result } } },
    status = message.status,
  } } }
end


local function calls_of(calls)
  local uses = {}
  for i, call in ipairs(calls) do
    local called = call["function"]
    local input = cjson.decode(called.arguments)
    if input == nil then
      return nil, "failed to decode function response arguments from assistant's message, not JSON format"
    end
    uses[i] = { toolUse = { toolUseId = call.id, name = called.name, input = input } }
  end
  return uses
end


local function content_of(message)
  if message.role == "tool" then
    return result_of(message)
  elseif type(message.content) == "table" then
    return message.content
  elseif type(message.tool_calls) == "table" then
    return calls_of(message.tool_calls)
  end
  return { { text = message.content or "" } }
end


-- Adds the messages; returns an error.
local function add_messages(translated, messages, model)
  local system = {}
  for _, message in ipairs(messages) do
    if message.role == "system" then
      system[#system + 1] = { text = message.content }
    else
      local content, err = content_of(message)
      if not content then
        return err
      end
      translated.messages = translated.messages or {}
      local count = #translated.messages
      translated.messages[count + 1] = { role = ROLES[message.role or "user"], content = content }
    end
  end
  if system[1] then
    if not takes_system(model.name) then
      return "system prompts are unsupported for model '" .. model.name
    end
    translated.system = system
  end
end


local function request(body, model)
  local own = body.bedrock or {}
  local translated = {
    anthropic_version = model.options and model.options.anthropic_version or "bedrock-2023-05-31",
    inferenceConfig = {
      maxTokens = body.max_tokens,
      stopSequences = body.stop,
      temperature = body.temperature,
      topP = body.top_p,
    },
    guardrailConfig = body.guardrailConfig,
    toolConfig = own.toolConfig and { own.toolConfig },
    additionalModelRequestFields = own.additionalModelRequestFields and { own.additionalModelRequestFields },
  }
  local err = body.messages and add_messages(translated, body.messages, model)
  if err then
    return nil, nil, err
  end
  if type(body.tools) == "table" and #body.tools > 0 then
    translated.toolConfig = translated.toolConfig or {}
    translated.toolConfig.tools = tools_of(body.tools)
  end
  return translated, "application/json"
end


-- ---- answers --------------------------------------------------------------------------------

local function calls_in(content)
  local calls
  for _, block in ipairs(content or {}) do
    local use = block.toolUse
    if use then
      calls = calls or {}
      calls[#calls + 1] = { id = use.toolUseId, type = "function", ["function"] = {
        name = use.name, arguments = use.input and next(use.input) and cjson.encode(use.input) or nil,
      } }
    end
  end
  return calls
end


local function answer(text, model)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode response from Bedrock"
  end
  local message = body.output and body.output.message
  local content = message and message.content
  if not content or #content == 0 then
    return nil, "no generation candidates received from Bedrock, or max_tokens too short"
  end
  local counts = body.usage
  return openai.chat({
    content = content[1].text, tool_calls = calls_in(content),
  }, REASONS[body.stopReason] or "stop", {
    model = model.name,
    usage = counts and openai.usage(counts.inputTokens, counts.outputTokens, counts.totalTokens),
    trace = body.trace,
  })
end


-- ---- events ---------------------------------------------------------------------------------

local function chunk(delta, model, finish_reason)
  return openai.chat_event(delta, {
    model = model.name, system_fingerprint = not finish_reason and null or nil,
  }, { finish_reason = finish_reason, logprobs = null })
end


local function tool_chunk(body, model, id, called)
  return chunk({ tool_calls = {
    { index = body.contentBlockIndex, id = id, ["function"] = called },
  } }, model)
end


local EVENTS = {
  messageStart = function(body, model)
    return chunk({ content = "", role = body.role }, model)
  end,

  contentBlockStart = function(body, model)
    local use = body.start and body.start.toolUse
    if use then
      return tool_chunk(body, model, use.toolUseId, { name = use.name, arguments = "" })
    end
  end,

  contentBlockDelta = function(body, model)
    local delta = body.delta or {}
    if delta.toolUse then
      return tool_chunk(body, model, nil, { arguments = delta.toolUse.input })
    end
    return chunk({ content = delta.text or "" }, model)
  end,

  messageStop = function(body, model)
    return chunk({}, model, REASONS[body.stopReason] or "stop")
  end,

  metadata = function(body)
    local counts = body.usage or {}
    return openai.DONE, nil, {
      prompt_tokens = counts.inputTokens or 0, completion_tokens = counts.outputTokens or 0,
    }
  end,
}


local function event(incoming, model)
  local message = cjson.decode(incoming.data or "")
  local kind = message and message.headers and message.headers[":event-type"]
  local body = kind and cjson.decode(message.body or "")
  local translate = body and EVENTS[kind]
  if translate then
    return translate(body, model)
  end
end


-- ---- where it is ----------------------------------------------------------------------------

local function endpoint(_, model, how)
  local options = model.options or {}
  local url = options.upstream_url
  if not url then
    local operation = how.stream and "converse-stream" or "converse"
    url = fmt(BASE, how.identity.region) .. fmt("/model/%s/%s", model.name, operation)
  end
  return driver.with_path(url, options)
end


local Bedrock = driver.define {
  name = "bedrock",
  to = { ["llm/v1/chat"] = function(body, model)
    local translated, _, err = request(body, model)
    return translated, err
  end },
  from = { ["llm/v1/chat"] = answer, ["stream/llm/v1/chat"] = event },
  verbose = true,
  endpoint = endpoint,
  identity = function(asked, identity)
    return identity:sign(asked)
  end,
  accept_encoding = "gzip, identity",
  clears = { "Set-Cookie" },
}

Bedrock.takes_system = takes_system

if _G._TEST then
  Bedrock._to_tools = tools_of
  Bedrock._to_bedrock_chat_openai = request
  Bedrock._from_tool_call_response = calls_in
end

return Bedrock
