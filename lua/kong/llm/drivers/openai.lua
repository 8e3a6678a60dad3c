-- OpenAI: the format that clients speak.

local cjson = require "cjson.safe"
local driver = require "kong.llm.driver"

local getenv = os.getenv

-- Tests run a server of their own.
local TEST_PORT = getenv "OPENAI_TEST_PORT"
local BASE = TEST_PORT and "http://api.openai.com:" .. TEST_PORT or "https://api.openai.com:443"
local PATHS = { ["llm/v1/chat"] = "/v1/chat/completions", ["llm/v1/completions"] = "/v1/completions" }


local function request(body, model)
  body.model = model.name or body.model
  body.stream = body.stream or false
  -- unknown to OpenAI
  body.top_k = nil
  return body
end


local function answer(text, _, route_type)
  local decoded = cjson.decode(text)
  if not decoded then
    return nil, "failed to decode " .. route_type .. " response"
  elseif not decoded.choices then
    return nil, "'choices' not in " .. route_type .. " response"
  end
  return text
end


local function event(incoming)
  return incoming.data
end


local to = { ["llm/v1/chat"] = request, ["llm/v1/completions"] = request }
local from = {
  ["llm/v1/chat"] = answer, ["llm/v1/completions"] = answer,
  ["stream/llm/v1/chat"] = event, ["stream/llm/v1/completions"] = event,
}

local OpenAI = driver.define {
  name = "openai",
  to = to,
  from = from,
  endpoint = function(route_type, model)
    return driver.url(model, BASE, PATHS[route_type])
  end,
  accept_encoding = "gzip, identity",
  clears = { "Set-Cookie" },
}

-- For others who speak it.
OpenAI.TO, OpenAI.FROM = to, from

return OpenAI
