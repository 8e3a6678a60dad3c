-- key-auth: a consumer is who shows a key that belongs to it, in a header, the query or the body.

local constants = require "kong.constants"
local each = require "kong.pdk.private.each"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"

local kong = kong
local error, type = error, type

local HEADERS = constants.HEADERS
local CACHE_OPTIONS = { resurrect_ttl = 0.001 }
local STALE = 4

local ERR_DUPLICATE = "Duplicate API key found"
local ERR_MISSING = "No API key found in request"
local ERR_UNKNOWN = "Unauthorized"
local ERR_CONFIGURATION = "Invalid plugin configuration"
local ERR_UNEXPECTED = "An unexpected error occurred"

local KeyAuth = {
  VERSION = kong_meta.version,
  PRIORITY = 1250,
}


local function refusal(conf, message)
  local challenge = conf.realm and 'Key realm="' .. conf.realm .. '"' or "Key"
  return { status = 401, message = message, headers = { ["WWW-Authenticate"] = challenge } }
end


local function failure(message)
  return { status = 500, message = message }
end


-- The decoded body; an empty table where it cannot be read. Read once per request, into `state`.
local function body_of(state)
  if not state.body then
    local body, err = kong.request.get_body()
    if err then
      kong.log.info("Cannot process request body: ", err)
    end
    state.body, state.readable = body or {}, not err and body ~= nil
  end
  return state.body
end


local function hide(conf, name, state)
  kong.service.request.clear_query_arg(name)
  kong.service.request.clear_header(name)
  if conf.key_in_body then
    local body = body_of(state)
    if state.readable then
      body[name] = nil
      kong.service.request.set_body(body)
    end
  end
end


-- What the request has under a name: a text, a list where it is there more than once, or nil.
local function shown_under(name, conf, state)
  local value = conf.key_in_header and lookup.header(name)
                or conf.key_in_query and lookup.query_arg(name)
                or conf.key_in_body and body_of(state)[name]
                or nil
  if type(value) == "string" then
    if conf.hide_credentials then
      hide(conf, name, state)
    end
    return value
  elseif type(value) == "table" then
    return value
  end
end


-- The key of the request, or why it is refused.
local function find_key(conf)
  local value = each(conf.key_names, shown_under, conf, {})
  if type(value) == "table" then
    return nil, ERR_DUPLICATE
  elseif value == nil or value == "" then
    return nil, ERR_MISSING
  end
  return value
end


local function load_credential(key)
  local credential, err = kong.db.keyauth_credentials:select_by_key(key)
  if not credential then
    return nil, err
  elseif credential.ttl == 0 then
    kong.log.debug("key expired")
    return nil
  end
  return credential, nil, credential.ttl
end


local function load_consumer(id, by_username)
  return kong.cache:get(kong.db.consumers:cache_key(id), nil, kong.client.load_consumer, id, by_username)
end


local function announce(name, value)
  if value then
    kong.service.request.set_header(name, value)
  else
    kong.service.request.clear_header(name)
  end
end


local function accept(consumer, credential)
  kong.client.authenticate(consumer, credential)
  announce(HEADERS.CONSUMER_ID, consumer and consumer.id)
  announce(HEADERS.CONSUMER_CUSTOM_ID, consumer and consumer.custom_id)
  announce(HEADERS.CONSUMER_USERNAME, consumer and consumer.username)
  announce(HEADERS.CREDENTIAL_IDENTIFIER, credential and credential.id)
  announce(HEADERS.ANONYMOUS, not credential)
end


-- Returns what the request is refused with; nothing when it is let through.
local function authenticate(conf)
  if type(conf.key_names) ~= "table" then
    kong.log.err("no conf.key_names set, aborting plugin execution")
    return failure(ERR_CONFIGURATION)
  end

  local key, problem = find_key(conf)
  if not key then
    return refusal(conf, problem)
  end

  local cache_key = kong.db.keyauth_credentials:cache_key(key)
  local credential, err, level = kong.cache:get(cache_key, CACHE_OPTIONS, load_credential, key)
  if err then
    return error(err)
  elseif not credential or level == STALE then
    return refusal(conf, ERR_UNKNOWN)
  end

  local consumer
  consumer, err = load_consumer(credential.consumer.id)
  if err then
    kong.log.err(err)
    return failure(ERR_UNEXPECTED)
  end
  accept(consumer, credential)
end


-- With `anonymous`, one of several authentication plugins is enough, and none lets in as that
-- consumer.
local function authenticate_or_let_in(conf)
  if kong.client.get_credential() or not authenticate(conf) then
    return
  end
  local consumer, err = load_consumer(conf.anonymous, true)
  if err then
    return error(err)
  end
  accept(consumer)
end


function KeyAuth:access(conf)
  if not conf.run_on_preflight and kong.request.get_method() == "OPTIONS" then
    return
  elseif conf.anonymous then
    return authenticate_or_let_in(conf)
  end

  local refused = authenticate(conf)
  if refused then
    return kong.response.error(refused.status, refused.message, refused.headers)
  end
end


return KeyAuth
