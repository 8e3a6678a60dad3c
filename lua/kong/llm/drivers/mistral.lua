-- Mistral: OpenAI's or Ollama's format.

local driver = require "kong.llm.driver"
local ollama = require "kong.llm.ollama"
local openai = require "kong.llm.drivers.openai"

local BASE = "https://api.mistral.ai:443"
local PATHS = { ["llm/v1/chat"] = "/v1/chat/completions" }

return driver.define {
  name = "mistral",
  format = function(model)
    return model.options.mistral_format
  end,
  delegate = function(model)
    return model.options.mistral_format == "openai" and openai
  end,
  to = { ["llm/v1/chat/ollama"] = ollama.request, ["llm/v1/completions/ollama"] = ollama.request },
  from = {
    ["llm/v1/chat/ollama"] = ollama.answer,
    ["llm/v1/completions/ollama"] = ollama.answer,
    ["stream/llm/v1/chat/ollama"] = ollama.event,
    ["stream/llm/v1/completions/ollama"] = ollama.event,
  },
  no_format = "no transformer available to format %s://%s",
  endpoint = function(route_type, model)
    return driver.url(model, BASE, PATHS[route_type])
  end,
  clears = { "Set-Cookie" },
}
