-- Requests in Gemini's own format: what they are in OpenAI's, which plugins read.

local cjson = require "cjson.safe"

local fmt, ipairs, match, next, setmetatable, type =
  string.format, ipairs, string.match, next, setmetatable, type
local insert = table.insert

local ROLES = { human = "user", model = "assistant", ["function"] = "tool" }

local Gemini = {}
Gemini.__index = Gemini


function Gemini:new()
  return setmetatable({ FORMAT_ID = "gemini" }, self)
end


-- A list, and a single thing as a list of it.
local function list(value)
  if type(value) ~= "table" or not next(value) then
    return {}
  end
  return #value > 0 and value or { value }
end


local function part_of(part)
  local url
  if part.text then
    return { type = "text", text = part.text }
  elseif part.inline_data then
    url = fmt("data:%s;base64,%s", part.inline_data.mime_type, part.inline_data.data)
  elseif part.file_data then
    url = part.file_data.file_uri
  else
    return nil
  end
  return { type = "image_url", image_url = { url = url } }
end


local function call_of(call)
  return { type = "function", ["function"] = {
    id = call.name, name = call.name, arguments = cjson.encode(call.args),
  } }
end


local function message_of(native)
  local message = { role = type(native.role) == "string" and (ROLES[native.role] or native.role) or nil }
  for _, part in ipairs(list(native.parts)) do
    if part.functionCall then
      message.tool_calls = message.tool_calls or {}
      insert(message.tool_calls, call_of(part.functionCall))
    elseif part.function_response then
      local response = part.function_response.response
      message.content = response and response.content
      if part == native.parts then
        message.content = cjson.encode(message.content)
      end
    else
      message.content = message.content or {}
      insert(message.content, part_of(part))
    end
  end
  return message
end


local function messages_of(native)
  local messages = {}
  local system = list(native.system_instruction and native.system_instruction.parts)[1]
  if system and system.text then
    messages[1] = { role = "system", content = { { type = "text", text = system.text } } }
  end
  for _, content in ipairs(list(native.contents)) do
    insert(messages, message_of(content))
  end
  return messages
end


local function tools_of(declared)
  local tools
  local first = list(declared)[1] or {}
  for _, declaration in ipairs(first.function_declarations or {}) do
    tools = tools or {}
    insert(tools, { type = "function", ["function"] = declaration })
  end
  return tools
end


-- The model and the operation are in the path.
local function called(request)
  local captures = request.get_uri_captures().named or {}
  local model, operation = captures.model, captures.operation
  if not model or not operation then
    local in_path, after = match(request.get_path(), "/models/([^:]+):([^/]+)$")
    model, operation = in_path or model, after or operation
  end
  return model, operation == "streamGenerateContent"
end


-- The request in OpenAI's format.
function Gemini:to_kong_req(native, of)
  local model, stream = called(of.request)
  local configured = native.generationConfig or {}
  local messages = messages_of(native)
  return {
    model = model,
    stream = stream,
    messages = messages[1] and messages,
    temperature = configured.temperature,
    max_tokens = configured.maxOutputTokens,
    top_p = configured.topP,
    top_k = configured.topK,
    stop = configured.stopSequences,
    tools = tools_of(native.tools),
  }
end


-- What an answer took: `prompt_tokens` and `completion_tokens`; nil and an error.
function Gemini:extract_metadata(text)
  local body, err = cjson.decode(text or "{}")
  if not body then
    return nil, err
  end
  local counts = body.usageMetadata or {}
  return {
    prompt_tokens = counts.promptTokenCount or 0,
    completion_tokens = counts.candidatesTokenCount or 0,
  }
end


-- The model that answered.
function Gemini:extract_response_model(text)
  local body = cjson.decode(text or "{}")
  return body and body.modelVersion
end


return Gemini
