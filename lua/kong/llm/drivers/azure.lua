-- Azure: OpenAI's models and format, in instances and deployments.

local driver = require "kong.llm.driver"
local openai = require "kong.llm.drivers.openai"

local fmt = string.format
local TEST_PORT = os.getenv "OPENAI_TEST_PORT"
local BASE = TEST_PORT and "http://%s.openai.azure.com:" .. TEST_PORT .. "/openai/deployments/%s"
  or "https://%s.openai.azure.com:443/openai/deployments/%s"
local PATHS = { ["llm/v1/chat"] = "/chat/completions", ["llm/v1/completions"] = "/completions" }

return driver.define {
  name = "azure",
  to = openai.TO,
  from = openai.FROM,
  endpoint = function(route_type, model)
    local options = model.options
    local base = fmt(BASE, options.azure_instance, options.azure_deployment_id)
    return driver.url(model, base, PATHS[route_type])
  end,
  query = function(model)
    return { ["api-version"] = model.options.azure_api_version }
  end,
  log_more = function(model)
    local options = model.options
    return {
      azure_instance_id = options.azure_instance,
      azure_deployment_id = options.azure_deployment_id,
      azure_api_version = options.azure_api_version,
    }
  end,
  accept_encoding = "gzip, identity",
  clears = { "Set-Cookie" },
}
