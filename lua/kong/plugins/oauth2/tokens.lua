-- Making tokens.

local random_string = require("kong.tools.rand").random_string
local timestamp = require "kong.tools.timestamp"

local kong = kong
local error = error

local _M = {}


-- The id of the service that tokens are for; nil where they are for all.
function _M.service_id(conf)
  local service = not conf.global_credentials and kong.router.get_service()
  return service and service.id or nil
end


local function insert(conf, grant, options)
  local service_id, refresh_token = _M.service_id(conf), nil
  if not grant.no_refresh and conf.token_expiration > 0 then
    refresh_token = random_string()
  end
  return kong.db.oauth2_tokens:insert({
    service = service_id and { id = service_id } or nil,
    credential = { id = grant.client.id },
    authenticated_userid = grant.user,
    expires_in = conf.token_expiration,
    refresh_token = refresh_token,
    scope = grant.scope,
  }, options)
end


-- Gives a token new life, under another name.
local function renew(conf, token, options)
  return kong.db.oauth2_tokens:update({ id = token.id }, {
    access_token = random_string(),
    expires_in = conf.token_expiration,
    created_at = timestamp.get_utc() / 1000,
  }, options)
end


--- Makes a token (RFC 6749, 5.1). `grant` has the `client`, the `user`, the `scope`, the `state` to give
-- back, whether it comes with `no_refresh` token, and the token that is `renewed`.
function _M.make(conf, grant)
  local ttl = conf.token_expiration > 0 and conf.refresh_token_ttl or 0
  local options = { ttl = ttl > 0 and ttl or nil }
  local token, err
  if grant.renewed and conf.reuse_refresh_token then
    token, err = renew(conf, grant.renewed, options)
  else
    token, err = insert(conf, grant, options)
  end
  if not token then
    return error(err)
  end
  return {
    access_token = token.access_token,
    token_type = "bearer",
    expires_in = conf.token_expiration > 0 and token.expires_in or nil,
    refresh_token = token.refresh_token,
    state = grant.state,
  }
end


return _M
