-- Estimates of how many tokens a text has, for providers that tell no counts.

local floor, gmatch, ipairs, type = math.floor, string.gmatch, ipairs, type

local ERR_FORMAT = "Invalid request format"

local _M = {}


-- The words of a text, or of the text parts of a message.
function _M.count_words(content)
  local count = 0
  if type(content) == "string" then
    for _ in gmatch(content, "%S+") do
      count = count + 1
    end
  elseif type(content) == "table" then
    for _, part in ipairs(content) do
      if type(part) == "table" and part.type == "text" and type(part.text) == "string" then
        count = count + _M.count_words(part.text)
      end
    end
  end
  return count
end


-- The tokens of a prompt: text, texts, tokens, or lists of tokens.
local function count_prompt(prompt, factor)
  if type(prompt) == "string" then
    return _M.count_words(prompt) * factor
  elseif type(prompt) ~= "table" then
    return nil, ERR_FORMAT
  end
  local count = 0
  for _, item in ipairs(prompt) do
    local kind = type(item)
    if kind == "string" then
      count = count + _M.count_words(item) * factor
    elseif kind == "number" then
      count = count + 1
    elseif kind == "table" then
      for _, token in ipairs(item) do
        if type(token) ~= "number" then
          return nil, ERR_FORMAT
        end
        count = count + 1
      end
    else
      return nil, ERR_FORMAT
    end
  end
  return count
end


-- The tokens of a request or an answer, a word being `factor` of them; nil and an error when it is neither.
function _M.estimate(body, factor)
  local count = 0
  if body.choices then
    for _, choice in ipairs(body.choices) do
      local content = choice.message and choice.message.content or choice.text
      count = count + _M.count_words(content) * factor
    end
  elseif body.messages then
    for _, message in ipairs(body.messages) do
      count = count + _M.count_words(type(message) == "table" and message.content) * factor
    end
  elseif body.prompt then
    local counted, err = count_prompt(body.prompt, factor)
    if not counted then
      return nil, err
    end
    count = counted
  end
  return floor(count + 0.5)
end


return _M
