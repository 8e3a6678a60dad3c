-- Looking whether a prompt may pass.

local context = require "kong.llm.context"

local kong = kong
local concat, ipairs, type = table.concat, ipairs, type
local re_find = ngx.re.find

local ERR_FORMAT = "ai-prompt-guard only supports llm/v1/chat or llm/v1/completions prompts"
-- What clients are told; that there is a guard is not for them.
local REFUSAL = { error = { message = "bad request" } }

local _M = {}


-- The prompts of a chat in one text, the last one first; nil and an error.
local function prompts_in(messages, conf)
  local parts = {}
  for i = #messages, 1, -1 do
    local message = messages[i]
    if type(message.role) ~= "string" then
      return nil, ERR_FORMAT
    end
    if message.role == "user" or conf.match_all_roles then
      if type(message.content) ~= "string" then
        return nil, ERR_FORMAT
      end
      parts[#parts + 1] = message.content
      if conf.allow_all_conversation_history then
        return message.content
      end
      -- keeps words apart
      parts[#parts + 1] = " "
    end
  end
  return concat(parts)
end


local function matches_any(text, patterns)
  for _, pattern in ipairs(patterns or {}) do
    local found, _, err = re_find(text, pattern, "jo")
    if err then
      kong.log.err("bad regex pattern '", pattern, "', failed to execute: ", err)
      return kong.response.exit(500)
    elseif found then
      return true
    end
  end
  return false
end


-- Whether a request may pass; false or nil, and why not.
local function check(request, conf)
  local text, err
  if type(request.messages) == "table" then
    text, err = prompts_in(request.messages, conf)
  elseif type(request.prompt) == "string" then
    text = request.prompt
  else
    err = ERR_FORMAT
  end
  if not text then
    return nil, err
  elseif matches_any(text, conf.deny_patterns) then
    return nil, "prompt pattern is blocked"
  elseif conf.allow_patterns and conf.allow_patterns[1] and not matches_any(text, conf.allow_patterns) then
    return false, "prompt doesn't match any allowed pattern"
  end
  return true
end


function _M.run(conf)
  local ok, reason = check(context.parse(conf).body or {}, conf)
  if not ok then
    kong.log.debug(reason)
    return kong.response.exit(400, REFUSAL)
  end
  context.tell("guard-prompt", "guarded")
end


if _G._TEST then
  _M._execute = check
end

return _M
