-- Adding messages to a chat.

local context = require "kong.llm.context"

local kong = kong
local ipairs, pairs, type = ipairs, pairs, type

local ERR_CHAT = "this LLM route only supports llm/chat type requests"

local _M = {}


local function add(messages, more)
  for _, message in ipairs(more or {}) do
    messages[#messages + 1] = { role = message.role, content = message.content }
  end
end


-- Puts the configured messages around those of a request; returns the request.
local function decorate(request, conf)
  local messages = {}
  add(messages, conf.prompts.prepend)
  for _, message in ipairs(request.messages) do
    messages[#messages + 1] = message
  end
  add(messages, conf.prompts.append)
  request.messages = messages
  return request
end


function _M.run(conf)
  local state = context.parse(conf)
  local messages = state.body and state.body.messages
  if type(messages) ~= "table" or #messages < 1 then
    kong.log.info(ERR_CHAT)
    return kong.response.exit(400, { error = { message = ERR_CHAT } })
  end
  local request = {}
  for name, value in pairs(state.body) do
    request[name] = value
  end
  state.body = decorate(request, conf)
  kong.service.request.set_body(state.body, "application/json")
  context.tell("decorate-prompt", "decorated")
end


if _G._TEST then
  _M._execute = decorate
end

return _M
