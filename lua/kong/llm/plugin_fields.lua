-- Fields that the plugins around a language model have in common.

local typedefs = require "kong.db.schema.typedefs"

local _M = {}


-- The largest body, in bytes, that a plugin looks into.
function _M.max_request_body_size()
  return { max_request_body_size = {
    type = "integer", default = 8 * 1024, gt = 0,
    description = "How many bytes a body may have to be looked into.",
  } }
end


-- The format of requests and answers.
function _M.llm_format()
  return { llm_format = {
    type = "string", default = "openai", required = false, one_of = { "openai", "bedrock", "gemini" },
    description = "The format that clients speak.",
  } }
end


-- The configuration of a plugin that has a model transform bodies; `more` is a field between the pattern and
-- the timeout.
function _M.transformer(prompt, more)
  local fields = {
    { prompt = { type = "string", required = true, description = prompt } },
    { transformation_extract_pattern = { type = "string", required = false,
        description = "A regular expression; what it matches in the model's answer is the new body." } },
  }
  fields[#fields + 1] = more
  for _, field in ipairs {
    { http_timeout = { type = "integer", required = true, default = 60000,
        description = "Milliseconds that the model is waited for." } },
    { https_verify = { type = "boolean", required = true, default = true,
        description = "Whether the certificate of the model's server is verified." } },
    _M.max_request_body_size(),
    { http_proxy_host = typedefs.host },
    { http_proxy_port = typedefs.port },
    { https_proxy_host = typedefs.host },
    { https_proxy_port = typedefs.port },
    { llm = require("kong.llm.schemas") },
  } do
    fields[#fields + 1] = field
  end
  return { type = "record", fields = fields }
end


-- The checks of such a plugin: it takes chats, and a proxy has host and port.
function _M.transformer_checks()
  return {
    { conditional = {
        if_field = "config.llm.route_type", if_match = { not_one_of = { "llm/v1/chat" } },
        then_field = "config.llm.route_type", then_match = { eq = "llm/v1/chat" },
        then_err = "'config.llm.route_type' must be 'llm/v1/chat' for AI transformer plugins",
    } },
    { mutually_required = { "config.http_proxy_host", "config.http_proxy_port" } },
    { mutually_required = { "config.https_proxy_host", "config.https_proxy_port" } },
  }
end


return _M
