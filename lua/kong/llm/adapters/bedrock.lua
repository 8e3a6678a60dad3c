-- Requests in Bedrock's own format: what they are in OpenAI's, which plugins read.

local cjson = require "cjson.safe"

local fmt, ipairs, match, setmetatable, type = string.format, ipairs, string.match, setmetatable, type
local insert = table.insert
local unescape_uri = ngx.unescape_uri

local Bedrock = {}
Bedrock.__index = Bedrock


function Bedrock:new()
  return setmetatable({ FORMAT_ID = "bedrock" }, self)
end


-- What is said in a message: text, or an image.
local function part_of(block)
  if block.text then
    return { type = "text", text = block.text }
  elseif block.image then
    local image = block.image
    local url = fmt("data:image/%s;base64,%s", image.format, image.source and image.source.bytes or "")
    return { type = "image_url", image_url = { url = url } }
  end
end


local function call_of(use)
  return { id = use.toolUseId, type = "function", ["function"] = {
    name = use.name, arguments = cjson.encode(use.input or {}),
  } }
end


local function message_of(native)
  local message = { role = type(native.role) == "string" and native.role or nil }
  for _, block in ipairs(type(native.content) == "table" and native.content or {}) do
    if block.toolUse then
      message.tool_calls = message.tool_calls or {}
      insert(message.tool_calls, call_of(block.toolUse))
    elseif block.toolResult then
      local result = block.toolResult
      local content = result.content[1] and result.content[1].json or result.content
      message.role, message.tool_call_id, message.content = "tool", result.toolUseId, cjson.encode(content)
    else
      message.content = message.content or {}
      insert(message.content, part_of(block))
    end
  end
  return message
end


local function messages_of(native)
  local messages = {}
  local system = type(native.system) == "table" and native.system[1] and native.system[1].text
  if system then
    messages[1] = { role = "system", content = { { type = "text", text = system } } }
  end
  for _, message in ipairs(native.messages) do
    insert(messages, message_of(message))
  end
  return messages
end


local function tools_of(configured)
  local tools
  for _, tool in ipairs(type(configured) == "table" and configured.tools or {}) do
    local spec = tool.toolSpec
    if spec then
      tools = tools or {}
      insert(tools, { type = "function", ["function"] = {
        name = spec.name, description = spec.description,
        parameters = spec.inputSchema and spec.inputSchema.json,
      } })
    end
  end
  return tools
end


-- The model and the operation are in the path.
local function called(request)
  local captures = request.get_uri_captures().named or {}
  local model, operation = captures.model, captures.operation
  if not model or not operation then
    local in_path, after = match(request.get_path(), "/model/([^/]+)/([^/]+)$")
    model, operation = in_path or model, after or operation
  end
  return model and unescape_uri(model), operation == "converse-stream"
end


-- The request in OpenAI's format.
function Bedrock:to_kong_req(native, of)
  local model, stream = called(of.request)
  local configured = native.inferenceConfig or {}
  return {
    model = model,
    stream = stream,
    messages = type(native.messages) == "table" and native.messages[1] and messages_of(native) or nil,
    temperature = configured.temperature,
    max_tokens = configured.maxTokens,
    top_p = configured.topP,
    stop = configured.stopSequences,
    tools = tools_of(native.toolConfig),
  }
end


-- What an answer took: `prompt_tokens` and `completion_tokens`; nil and an error.
function Bedrock:extract_metadata(text)
  local body, err = cjson.decode(text or "{}")
  if not body then
    return nil, err
  end
  local counts = body.usage or {}
  return { prompt_tokens = counts.inputTokens or 0, completion_tokens = counts.outputTokens or 0 }
end


-- Answers do not tell the model.
function Bedrock:extract_response_model()
  return nil
end


return Bedrock
