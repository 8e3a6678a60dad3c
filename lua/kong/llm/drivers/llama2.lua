-- Llama 2, on a server of one's own: its raw format, Ollama's or OpenAI's.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"
local ollama = require "kong.llm.ollama"
local openai = require "kong.llm.openai"
local openai_driver = require "kong.llm.drivers.openai"

local concat, find, fmt, ipairs, match, sub =
  table.concat, string.find, string.format, ipairs, string.match, string.sub

local INSTRUCTION_END = "[/INST]"
local ERR_BOTH =
  "cannot run raw 'prompt' and chat history 'messages' requests at the same time - refer to schema"


-- The one text that a conversation is: the first message instructs, the second asks.
local function prompt_of(messages)
  local parts = {}
  for i, message in ipairs(messages) do
    local form
    if i == 1 then
      form = "<s>[INST] <<SYS>> %s <</SYS>>"
    elseif i == 2 then
      form = " %s [/INST]"
    elseif message.role == "system" then
      form = " %s </s>"
    elseif message.role == "user" then
      form = " <s>[INST] %s [/INST]"
    end
    parts[#parts + 1] = form and fmt(form, message.content)
  end
  return concat(parts)
end


local function request(body)
  local inputs
  if body.prompt and body.messages then
    return nil, ERR_BOTH
  elseif body.messages then
    inputs = prompt_of(body.messages)
  elseif body.prompt then
    inputs = fmt("<s> [INST] <<SYS>> You are a helpful assistant. <<SYS>> %s [/INST]", body.prompt)
  end
  return {
    inputs = inputs,
    parameters = {
      max_new_tokens = body.max_tokens,
      temperature = body.temperature,
      top_p = body.top_p,
      top_k = body.top_k,
      stream = body.stream or false,
    },
  }
end


-- What follows the last instruction.
local function reply_in(text)
  local from, at = 1, 1
  repeat
    local _, last = find(text, INSTRUCTION_END, at, true)
    at = last and last + 1
    from = at or from
  until not at
  return match(sub(text, from), "^%s*(.-)%s*$")
end


local function answer(text, _, route_type)
  local body = cjson.decode(text)
  if not body then
    return nil, "failed to decode llama2 response"
  elseif not body.data or #body.data > 1 then
    return nil, "cannot parse response from llama2 endpoint"
  elseif not body.data[1].generated_text then
    return nil, "response data is empty from llama2 endpoint"
  end
  local reply, more = reply_in(body.data[1].generated_text), { usage = body.usage }
  if route_type == "llm/v1/chat" then
    return openai.chat({ content = reply }, nil, more)
  end
  return openai.completion(reply, nil, more)
end


return driver.define {
  name = "llama2",
  format = function(model)
    return model.options.llama2_format
  end,
  delegate = function(model)
    return model.options.llama2_format == "openai" and openai_driver
  end,
  to = {
    ["llm/v1/chat/raw"] = request,
    ["llm/v1/completions/raw"] = request,
    ["llm/v1/chat/ollama"] = ollama.request,
    ["llm/v1/completions/ollama"] = ollama.request,
  },
  from = {
    ["llm/v1/chat/raw"] = answer,
    ["llm/v1/completions/raw"] = answer,
    ["llm/v1/chat/ollama"] = ollama.answer,
    ["llm/v1/completions/ollama"] = ollama.answer,
    ["stream/llm/v1/chat/ollama"] = ollama.event,
    ["stream/llm/v1/completions/ollama"] = ollama.event,
  },
  names_format = true,
  endpoint = function(_, model)
    return driver.url(model, "")
  end,
}
