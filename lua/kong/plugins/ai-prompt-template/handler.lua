-- ai-prompt-template: requests call templates, and send only what goes into them.

local context = require "kong.llm.context"
local kong_meta = require "kong.meta"
local templater = require "kong.plugins.ai-prompt-template.templater"

local kong = kong
local ipairs, match, type = ipairs, string.match, type

local ERR_JSON = "this LLM route only supports application/json requests"
local ERR_BOTH = "cannot run 'messages' and 'prompt' templates at the same time"
local ERR_NEITHER = "only 'llm/v1/chat' and 'llm/v1/completions' formats are supported for templating"
local ERR_UNTEMPLATED = "this LLM route only supports templated requests"

local AiPromptTemplate = {
  VERSION = kong_meta.version,
  PRIORITY = 773,
}


local function find_template(templates, name)
  for _, template in ipairs(templates) do
    if template.name == name then
      return template
    end
  end
  return nil, "could not find template name [" .. name .. "]"
end


-- The body that a request stands for, nothing if it passes as it is; nil and an error.
local function render(conf, request)
  if type(request) ~= "table" then
    return nil, ERR_JSON
  elseif request.messages and request.prompt then
    return nil, ERR_BOTH
  end
  local reference = request.messages or request.prompt
  if not reference then
    return nil, ERR_NEITHER
  end
  local name = type(reference) == "string" and match(reference, "^{template://(.*)}$")
  if not name then
    return nil, not conf.allow_untemplated_requests and ERR_UNTEMPLATED or nil
  end
  local template, err = find_template(conf.templates, name)
  if not template then
    return nil, err
  end
  return templater.render(template, request.properties or {})
end


function AiPromptTemplate:access(conf)
  if conf.log_original_request then
    kong.log.set_serialize_value("ai.payload.original_request",
                                 kong.request.get_raw_body(conf.max_request_body_size))
  end
  local request = kong.request.get_body("application/json", nil, conf.max_request_body_size)
  local body, err = render(conf, request)
  if err then
    kong.log.debug(err)
    return kong.response.exit(400, { error = { message = err } })
  elseif body then
    kong.service.request.set_raw_body(body)
    context.tell("render-prompt-template", "transformed")
  end
end


return AiPromptTemplate
