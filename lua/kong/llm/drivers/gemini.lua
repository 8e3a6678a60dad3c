-- Gemini: Google's models, by the public interface or on Vertex.

local cjson = require "cjson.safe"
local context = require "kong.llm.context"
local driver = require "kong.llm.driver"
local openai = require "kong.llm.openai"

local concat, fmt, ipairs, lower, match, sub, type =
  table.concat, string.format, ipairs, string.lower, string.match, string.sub, type

local PUBLIC = "https://generativelanguage.googleapis.com/v1beta/models/%s:%s"
local VERTEX = "https://%s/v1/projects/%s/locations/%s/publishers/google/models/%s:%s"
local ROLES = { system = "system", user = "user", assistant = "model" }
-- The shortest that is taken for an image's address.
local IMAGE_MINIMUM = 10

local ERR_UNSAFE = "transformation generation candidate breached Gemini content safety"
local ERR_EMPTY = "no generation candidates received from Gemini, or max_tokens too short"


-- ---- requests -------------------------------------------------------------------------------

local function image_part(url)
  if #url < IMAGE_MINIMUM then
    return nil, "could not decode OpenAI image-part, image URL is less than 10 bytes, which is not parsable"
  end
  local mime_type, data = match(url, "^data:([^;]*);[^,]*,(.*)$")
  if mime_type then
    return { inlineData = { mimeType = mime_type, data = data } }
  end
  return { fileData = { fileUri = url, mimeType = "image/generic" } }
end


-- A part of a message in Gemini's format; nil and an error.
local function part_of(part)
  if not part then
    return nil
  elseif part.type == "text" then
    if not part.text then
      return nil, "message part type is 'text' but is missing .text block"
    end
    return { text = part.text }
  elseif part.type == "image_url" then
    local image = part.image_url
    if type(image) ~= "table" or not image.url then
      return nil, "message part type is 'image_url' but is missing .image_url.url block"
    end
    return image_part(image.url)
  end
  return nil, "cannot transform part of type '" .. part.type .. "' to Gemini format"
end


local function parts_of(content, position)
  if type(content) == "string" then
    return { { text = content } }
  end
  local parts = {}
  if type(content) == "table" then
    if #content == 0 then
      return nil, "message at position " .. position .. " does not match expected array format"
    end
    for i, item in ipairs(content) do
      local part, err = part_of(item)
      if not part then
        return nil, err or "message at position " .. position .. ", part at position " .. i
                           .. " does not match expected OpenAI format"
      end
      parts[i] = part
    end
  end
  return parts
end


local function called(calls)
  local parts = {}
  for i, call in ipairs(calls) do
    parts[i] = { function_call = { name = call["function"].name } }
  end
  return { role = "function", parts = parts }
end


local function result_of(message)
  return { role = "function", parts = { {
    function_response = { name = "get_product_info", response = { content = { message.content } } },
  } } }
end


-- The messages in Gemini's format, and what the system's say; nil, nil and an error.
local function contents_of(messages)
  local contents, system = {}, {}
  for i, message in ipairs(messages) do
    local role, content = message.role, nil
    if role == "system" then
      system[#system + 1] = message.content or ""
    elseif role == "tool" then
      content = result_of(message)
    elseif role == "assistant" and type(message.tool_calls) == "table" and #message.tool_calls > 0 then
      content = called(message.tool_calls)
    else
      local parts, err = parts_of(message.content, i)
      if not parts then
        return nil, nil, err
      end
      content = { role = ROLES[role or "user"], parts = parts }
    end
    contents[#contents + 1] = content
  end
  return contents, system[1] and concat(system)
end


local function tools_of(tools)
  local declared = {}
  for _, tool in ipairs(tools or {}) do
    declared[#declared + 1] = tool["function"]
  end
  return declared[1] and { { function_declarations = declared } } or nil
end


local function request(body, model)
  local translated = {
    generationConfig = {
      maxOutputTokens = body.max_tokens,
      stopSequences = body.stop,
      temperature = body.temperature,
      topK = body.top_k,
      topP = body.top_p,
    },
    tools = body.tools and tools_of(body.tools),
    tool_config = body.tool_config,
  }
  if body.messages and #body.messages > 0 then
    local contents, system, err = contents_of(body.messages)
    if not contents then
      return nil, nil, err
    elseif system and sub(model.name, 1, 10) == "gemini-1.0" then
      return nil, nil, "system prompts aren't supported on gemini-1.0 models"
    end
    translated.contents = contents[1] and contents
    translated.systemInstruction = system and { parts = { { text = system } } }
  end
  return translated, "application/json"
end


-- ---- answers --------------------------------------------------------------------------------

-- The parts of the first candidate.
local function parts_in(body)
  local candidate = body.candidates and body.candidates[1]
  local parts = candidate and candidate.content and candidate.content.parts
  return parts and parts[1] and parts
end


local function calls_in(parts, kind)
  local calls = {}
  for i, part in ipairs(parts) do
    local call = part.functionCall
    calls[i] = { type = kind, ["function"] = { name = call.name, arguments = cjson.encode(call.args) } }
  end
  return calls
end


-- An answer in OpenAI's format, as JSON; nil and an error.
local function answer(response, model)
  local body = response
  if type(response) == "string" then
    body = cjson.decode(response)
  end
  if not body then
    return nil, "failed to decode response from Gemini"
  end
  local candidate = body.candidates and body.candidates[1]
  if not candidate then
    return nil, ERR_EMPTY
  elseif candidate.finishReason == "SAFETY" and context.current().transforms then
    return nil, ERR_UNSAFE
  end

  local parts, translated = parts_in(body), { choices = {} }
  if parts and parts[1].text then
    translated = openai.chat({ content = parts[1].text }, lower(candidate.finishReason or "stop"), {
      model = model.name,
    })
  elseif parts and parts[1].functionCall then
    translated.choices[1] = { index = 0, message = { role = "assistant", tool_calls = calls_in(parts) } }
  end
  local counts = body.usageMetadata
  translated.usage = counts
    and openai.usage(counts.promptTokenCount, counts.candidatesTokenCount, counts.totalTokenCount)
  return cjson.encode(translated)
end


local function event(incoming)
  if not incoming.data or incoming.data == "" then
    return nil
  elseif incoming.data == openai.DONE then
    return openai.DONE
  end
  local body = cjson.decode(incoming.data)
  if not body then
    return nil, "failed to decode stream event frame from gemini"
  end
  local parts = parts_in(body)
  if not parts then
    return nil
  end

  local counts = body.usageMetadata or {}
  local choice = { index = 0, finish_reason = body.candidates[1].finishReason }
  if parts[1].text then
    choice.delta = { role = "assistant", content = parts[1].text }
  elseif parts[1].functionCall then
    choice.delta = { tool_calls = calls_in(parts, "function") }
  else
    return nil
  end
  return { choices = { choice } }, nil, {
    prompt_tokens = counts.promptTokenCount or 0, completion_tokens = counts.candidatesTokenCount or 0,
    -- each event tells of all that went before
    is_total = true,
  }
end


-- ---- where it is ----------------------------------------------------------------------------

local function endpoint(_, model, how)
  local options = model.options or {}
  local operation = how.stream and "streamGenerateContent" or "generateContent"
  local vertex = options.gemini
  local url = options.upstream_url
  if not url and vertex and vertex.api_endpoint and vertex.project_id and vertex.location_id then
    url = fmt(VERTEX, vertex.api_endpoint, vertex.project_id, vertex.location_id, model.name, operation)
  elseif not url then
    url = fmt(PUBLIC, model.name, operation)
  end
  return driver.with_path(url, options)
end


local Gemini = driver.define {
  name = "gemini",
  to = { ["llm/v1/chat"] = function(body, model)
    local translated, _, err = request(body, model)
    return translated, err
  end },
  from = { ["llm/v1/chat"] = answer, ["stream/llm/v1/chat"] = event },
  verbose = true,
  endpoint = endpoint,
  identity = function(_, account)
    local token, err = account:token()
    return token and { Authorization = "Bearer " .. token }, err
  end,
  accept_encoding = "identity",
  clears = { "Set-Cookie" },
}

if _G._TEST then
  Gemini._to_tools = tools_of
  Gemini._openai_part_to_gemini_part = part_of
  Gemini._to_gemini_chat_openai = request
  Gemini._from_gemini_chat_openai = answer
end

return Gemini
