-- What the plugins that have a model transform bodies share.

local context = require "kong.llm.context"
local identity_of = require "kong.llm.identity"
local llm = require "kong.llm"

local kong = kong
local fmt = string.format

local ERR_IDENTITY = "LLM request failed before proxying"

local _M = {}


local function proxy_uri(host, port)
  return host and fmt("http://%s:%d", host, port) or nil
end


-- How the model's server is reached.
function _M.http_opts(conf)
  local http, https = proxy_uri(conf.http_proxy_host, conf.http_proxy_port),
                      proxy_uri(conf.https_proxy_host, conf.https_proxy_port)
  return {
    http_timeout = conf.http_timeout,
    https_verify = conf.https_verify,
    proxy_opts = (http or https) and { http_proxy = http, https_proxy = https } or nil,
  }
end


-- Answers with an error.
function _M.fail(status, message)
  if status == 400 then
    kong.log.info(message)
  else
    kong.log.err(message)
  end
  return kong.response.exit(status, { error = { message = message } })
end


-- The model that a plugin's configuration tells of; answers with an error when there is none.
function _M.model(conf)
  local identity, err = identity_of(conf.llm)
  if err then
    kong.log.err("error authenticating with ", conf.llm.model.provider, " using native provider auth, ", err)
    return kong.response.exit(500, ERR_IDENTITY)
  end
  -- logs tell the plugin
  conf.llm.__plugin_id, conf.llm.__key__ = conf.__plugin_id, conf.__key__
  local model
  model, err = llm.new_driver(conf.llm, nil, identity)
  if not model then
    return _M.fail(500, err)
  end
  context.current().transforms = true
  return model
end


-- What the model makes of a body; answers with an error when it makes nothing.
function _M.transform(model, conf, body, http_opts)
  local transformed, err = model:ai_introspect_body(body, conf.prompt, http_opts,
                                                    conf.transformation_extract_pattern)
  if not transformed then
    return _M.fail(400, err)
  end
  return transformed
end


return _M
