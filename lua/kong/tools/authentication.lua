-- What the plugins that authenticate share: telling the gateway and the upstream who a client is, refusing,
-- and the consumer that stands in for clients without a credential.

local constants = require "kong.constants"

local kong = kong
local error = error

local HEADERS = constants.HEADERS

local ERR_UNEXPECTED = "An unexpected error occurred"

local _M = {}


-- What to answer a client with that is not let in. `challenge` is the value of `WWW-Authenticate`.
function _M.refusal(message, challenge, status)
  return { status = status or 401, message = message,
           headers = challenge and { ["WWW-Authenticate"] = challenge } or nil }
end


-- What to answer with when the gateway is at fault.
function _M.failure(message)
  return { status = 500, message = message or ERR_UNEXPECTED }
end


-- The consumer with an id, or also with a username: nil and an error when there is none.
function _M.load_consumer(id, by_username)
  return kong.cache:get(kong.db.consumers:cache_key(id), nil, kong.client.load_consumer, id, by_username)
end


local function announce(name, value)
  if value then
    kong.service.request.set_header(name, value)
  else
    kong.service.request.clear_header(name)
  end
end


-- Makes a consumer the one that the request is from. Without a credential it is the anonymous one.
-- `identifier` is what names the credential to the upstream.
function _M.accept(consumer, credential, identifier)
  kong.client.authenticate(consumer, credential)
  announce(HEADERS.CONSUMER_ID, consumer and consumer.id)
  announce(HEADERS.CONSUMER_CUSTOM_ID, consumer and consumer.custom_id)
  announce(HEADERS.CONSUMER_USERNAME, consumer and consumer.username)
  announce(HEADERS.CREDENTIAL_IDENTIFIER, credential and identifier)
  announce(HEADERS.ANONYMOUS, not credential)
end


-- What `load` answers for the value of a unique field, which is the kind's cache key, from the cache. An
-- error of the store ends the request.
function _M.cached(dao, value, load)
  local entity, err = kong.cache:get(dao:cache_key(value), nil, load, value)
  if err then
    return error(err)
  end
  return entity
end


-- Accepts the consumer that a credential belongs to. An error of the store ends the request.
function _M.accept_owner(credential, identifier)
  local consumer, err = _M.load_consumer(credential.consumer.id)
  if err then
    return error(err)
  end
  _M.accept(consumer, credential, identifier)
end


-- Authenticates with `authenticate(conf)`, which answers what the request is refused with, or nothing:
-- `status`, `message` and `headers` of an error, or its `body`. With `conf.anonymous`, one of several such
-- plugins is enough, and that consumer stands in where none succeeds.
function _M.run(conf, authenticate)
  if not conf.anonymous then
    local refused = authenticate(conf)
    if refused and refused.body then
      return kong.response.exit(refused.status, refused.body, refused.headers)
    elseif refused then
      return kong.response.error(refused.status, refused.message, refused.headers)
    end
    return
  end
  if kong.client.get_credential() or not authenticate(conf) then
    return
  end
  local consumer, err = _M.load_consumer(conf.anonymous, true)
  if err then
    return error(err)
  end
  _M.accept(consumer)
end


return _M
