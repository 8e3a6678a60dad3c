-- OpenAI's format, which clients speak: the shapes of answers and of their events.

local _M = {}

_M.DONE = "[DONE]"


-- What an answer took.
function _M.usage(prompt, completion, total)
  return {
    prompt_tokens = prompt,
    completion_tokens = completion,
    total_tokens = total or prompt and completion and prompt + completion,
  }
end


-- An answer in a chat; `more` has `id`, `model`, `usage` …
function _M.chat(message, finish_reason, more)
  local answer = more or {}
  message.role = message.role or "assistant"
  answer.object = "chat.completion"
  answer.choices = { { index = 0, message = message, finish_reason = finish_reason } }
  return answer
end


-- The completion of a prompt.
function _M.completion(text, finish_reason, more)
  local answer = more or {}
  answer.object = "text_completion"
  answer.choices = { { index = 0, text = text, finish_reason = finish_reason } }
  return answer
end


-- An event of a chat's answer; `choice` may have what else is to be said.
function _M.chat_event(delta, more, choice)
  local event = more or {}
  choice = choice or {}
  choice.index, choice.delta = 0, delta
  event.object, event.choices = "chat.completion.chunk", { choice }
  return event
end


-- An event of a completion.
function _M.completion_event(text, more, choice)
  local event = more or {}
  choice = choice or {}
  choice.index, choice.text = 0, text
  event.object, event.choices = "text_completion", { choice }
  return event
end


return _M
