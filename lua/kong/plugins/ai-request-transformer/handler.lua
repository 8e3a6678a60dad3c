-- ai-request-transformer: a language model transforms the body of a request.

local kong_meta = require "kong.meta"
local transformer = require "kong.llm.transformer"

local kong = kong

local AiRequestTransformer = {
  VERSION = kong_meta.version,
  PRIORITY = 777,
}


function AiRequestTransformer:access(conf)
  local model = transformer.model(conf)
  local body = kong.request.get_raw_body(conf.max_request_body_size)
  kong.service.request.set_raw_body(transformer.transform(model, conf, body, transformer.http_opts(conf)))
end


return AiRequestTransformer
