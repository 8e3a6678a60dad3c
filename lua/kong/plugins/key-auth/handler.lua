-- key-auth: a consumer is who shows a key that belongs to it, in a header, the query or the body.

local authentication = require "kong.tools.authentication"
local each = require "kong.pdk.private.each"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"

local kong = kong
local error, type = error, type

local CACHE_OPTIONS = { resurrect_ttl = 0.001 }
local STALE = 4

local ERR_DUPLICATE = "Duplicate API key found"
local ERR_MISSING = "No API key found in request"
local ERR_UNKNOWN = "Unauthorized"
local ERR_CONFIGURATION = "Invalid plugin configuration"

local KeyAuth = {
  VERSION = kong_meta.version,
  PRIORITY = 1250,
}


local function refusal(conf, message)
  return authentication.refusal(message, conf.realm and 'Key realm="' .. conf.realm .. '"' or "Key")
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


-- Returns what the request is refused with; nothing when it is let through.
local function authenticate(conf)
  if type(conf.key_names) ~= "table" then
    kong.log.err("no conf.key_names set, aborting plugin execution")
    return authentication.failure(ERR_CONFIGURATION)
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
  consumer, err = authentication.load_consumer(credential.consumer.id)
  if err then
    kong.log.err(err)
    return authentication.failure()
  end
  authentication.accept(consumer, credential, credential.id)
end


function KeyAuth:access(conf)
  if conf.run_on_preflight or kong.request.get_method() ~= "OPTIONS" then
    return authentication.run(conf, authenticate)
  end
end


return KeyAuth
