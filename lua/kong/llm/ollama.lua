-- Ollama's format, which servers of Llama 2 and Mistral speak.

local cjson = require "cjson.safe"
local openai = require "kong.llm.openai"

local ERR_DECODE = "failed to decode ollama response"
local ERR_BOTH =
  "cannot run raw 'prompt' and chat history 'messages' requests at the same time - refer to schema"

local _M = {}


function _M.request(body, model)
  if body.prompt and body.messages then
    return nil, ERR_BOTH
  end
  return {
    model = model.name or body.name,
    messages = body.messages,
    prompt = body.prompt,
    stream = body.stream or false,
    tools = body.tools,
    tool_choice = body.tool_choice,
    options = model.options and {
      num_predict = body.max_tokens,
      temperature = body.temperature,
      top_p = body.top_p,
      top_k = body.top_k,
    },
  }
end


function _M.answer(text, model, route_type)
  local body = cjson.decode(text)
  if not body then
    return nil, ERR_DECODE
  end
  local completion, limit = body.eval_count or 0, model.options and model.options.max_tokens
  local more = {
    model = body.model,
    created = body.created_at,
    usage = openai.usage(body.prompt_eval_count or 0, completion),
  }
  if route_type == "llm/v1/chat" then
    local stopped = body.eval_count and body.eval_count == limit and "length" or "stop"
    return openai.chat(body.message or {}, body.finish_reason or stopped, more)
  end
  return openai.completion(body.response, nil, more)
end


function _M.event(incoming, _, route_type)
  local body = cjson.decode(incoming.data or "")
  if not body then
    return nil, ERR_DECODE
  elseif body.done then
    return openai.DONE, nil, {
      prompt_tokens = body.prompt_eval_count or 0, completion_tokens = body.eval_count or 0,
    }
  elseif route_type == "stream/llm/v1/chat" then
    local content = body.message and body.message.content or ""
    return openai.chat_event({ content = content }, { model = body.model })
  end
  return openai.completion_event(body.response or "", { model = body.model })
end


return _M
