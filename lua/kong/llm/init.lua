-- Language models: which requests they take, and asking one on the side.

local cjson = require "cjson.safe"
local side_log = require "kong.llm.side_log"

local re_match = ngx.re.match
local fmt, pcall, require, setmetatable, type = string.format, pcall, require, setmetatable, type

local ERR_REGEX = "AI response did not match specified regular expression"

local _M = {
  config_schema = require "kong.llm.schemas",
}


-- ---- requests -------------------------------------------------------------------------------

-- The route type that a request is of; nil and an error.
local function type_of(request)
  local chats = type(request.messages) == "table" and #request.messages > 0
  local completes = type(request.prompt) == "string"
  if chats and completes then
    return nil, "request matches multiple LLM request formats"
  elseif chats then
    return "llm/v1/chat"
  elseif completes then
    return "llm/v1/completions"
  end
  return nil, "request format not recognised"
end


-- Whether a route takes a request; false or nil, and an error.
function _M.is_compatible(request, route_type)
  if route_type == "preserve" then
    return true
  end
  local found, err = type_of(request)
  if not found then
    return nil, err
  elseif found ~= route_type then
    return false, fmt("[%s] message format is not compatible with [%s] route type", found, route_type)
  end
  return true
end


-- ---- asking ---------------------------------------------------------------------------------

local Model = {}
Model.__index = Model


-- What a model is asked: the instruction, then the text. Those that take nothing from the system get it in a
-- talk.
local function question(self, text, instruction)
  local takes_system = self.driver.takes_system
  if takes_system and not takes_system(self.conf.model.name) then
    return { stream = false, messages = {
      { role = "user", content = instruction },
      { role = "assistant", content = "What is the message?" },
      { role = "user", content = text },
    } }
  end
  return { stream = false, messages = {
    { role = "system", content = instruction },
    { role = "user", content = text },
  } }
end


local function add_parameter(auth, body)
  local name = auth and auth.param_location == "body" and auth.param_name
  if name and auth.param_value and (body[name] == nil or not auth.allow_override) then
    body[name] = auth.param_value
  end
end


-- The part of an answer that a pattern matches; nil and an error.
local function extract(text, pattern)
  local found, err = re_match(text, pattern, "ijom")
  if err then
    return nil, "failed regex matching ai response: " .. err
  elseif not found then
    return nil, ERR_REGEX
  end
  return found[0]
end


-- What the model makes of a text, as `instruction` tells it to; nil and an error.
function Model:ai_introspect_body(text, instruction, http_opts, pattern)
  local conf = self.conf
  local body, _, err = self.driver.to_format(question(self, text, instruction), conf.model, "llm/v1/chat")
  if err then
    return nil, err
  end
  add_parameter(conf.auth, body)
  side_log.asked(conf)

  local answer
  answer, _, err = self.driver.subrequest(body, conf, http_opts, self.identity)
  if err then
    return nil, "failed to introspect request with AI service: " .. err
  end
  answer, err = self.driver.from_format(answer, conf.model, conf.route_type)
  if err then
    return nil, "failed to convert AI response to Kong format: " .. err
  end
  side_log.answered(conf, answer)

  local decoded = cjson.decode(answer)
  if not decoded then
    return nil, "failed to convert AI response to JSON"
  end
  local choice = decoded.choices and decoded.choices[1]
  local content = choice and choice.message and choice.message.content
  if not content then
    return nil, "no 'choices' in upstream AI service response"
  elseif pattern then
    return extract(content, pattern)
  end
  return content
end


-- The headers, body and status that a model tells to answer with; nil, nil, nil and an error.
function Model:parse_json_instructions(told)
  local err
  if type(told) == "string" then
    told, err = cjson.decode(told)
    if told == nil then
      return nil, nil, nil, err
    end
  end
  if type(told) ~= "table" then
    return nil, nil, nil, "input not table or string"
  end
  return told.headers, told.body or told, told.status or 200
end


-- The model that a configuration tells of, and who signs in there; nil and an error.
function _M.new_driver(conf, _, identity)
  local provider = conf and conf.model and conf.model.provider or "NONE_SET"
  local module = "kong.llm.drivers." .. provider
  local ok, found = pcall(require, module)
  if not ok then
    kong.log.err("could not instantiate ", module, " package: ", found)
    return nil, "could not instantiate " .. module .. " package"
  end
  return setmetatable({ conf = conf, driver = found, identity = identity }, Model)
end


return _M
