-- ai-proxy: requests in OpenAI's format go to a language model of any provider, and answers come back in it.

local answer = require "kong.plugins.ai-proxy.answer"
local kong_meta = require "kong.meta"
local request = require "kong.plugins.ai-proxy.request"

local AiProxy = {
  VERSION = kong_meta.version,
  PRIORITY = 770,
}


function AiProxy:access(conf)
  return request.access(conf)
end


function AiProxy:header_filter(conf)
  return answer.header_filter(conf)
end


function AiProxy:body_filter(conf)
  return answer.body_filter(conf)
end


return AiProxy
