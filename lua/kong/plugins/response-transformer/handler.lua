-- response-transformer: changes the response on its way to the client.

local body_transformer = require "kong.plugins.response-transformer.body_transformer"
local header_transformer = require "kong.plugins.response-transformer.header_transformer"
local kong_meta = require "kong.meta"

local kong = kong

local ResponseTransformer = {
  VERSION = kong_meta.version,
  PRIORITY = 800,
}


function ResponseTransformer:header_filter(conf)
  header_transformer.transform_headers(conf, kong.response.get_headers())
end


function ResponseTransformer:body_filter(conf)
  if not header_transformer.is_body_transform_set(conf)
     or not header_transformer.is_json_body(kong.response.get_header("Content-Type")) then
    return
  end
  local body = kong.response.get_raw_body()
  if not body then
    return
  end
  local transformed, err = body_transformer.transform_json_body(conf, body)
  if err then
    return kong.log.warn("body transform failed: ", err)
  end
  kong.response.set_raw_body(transformed)
end


return ResponseTransformer
