-- jwt: a consumer is who shows a token (RFC 7519) signed with one of its credentials.

local authentication = require "kong.tools.authentication"
local jwt_parser = require "kong.plugins.jwt.jwt_parser"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"

local kong, ngx = kong, ngx
local error, ipairs, sub, tostring, type = error, ipairs, string.sub, tostring, type
local match = ngx.re.match

local ERR_NONE = "Unauthorized"
local ERR_SEVERAL = "Multiple tokens provided"
local ERR_NO_TEXT = "Unrecognizable token"
local ERR_ALGORITHM = "Invalid algorithm"
local ERR_KEY = "Invalid key/secret"
local ERR_SIGNATURE = "Invalid signature"

local Jwt = {
  VERSION = kong_meta.version,
  PRIORITY = 1450,
}


-- ---- finding the token ----------------------------------------------------------------------

-- Notes a token that is not there yet.
local function note(found, token)
  if token and token ~= "" and not found[token] then
    found[token] = true
    found[#found + 1] = token
  end
end


local function look_in_query(conf, found)
  for _, name in ipairs(conf.uri_param_names) do
    local value = lookup.query_arg(name)
    for _, token in ipairs(type(value) == "table" and value or { value }) do
      note(found, token)
    end
  end
end


local function look_in_headers(conf, found)
  for _, name in ipairs(conf.header_names) do
    local value = lookup.header(name)
    if type(value) == "table" then
      value = value[1]
    end
    local parts, err
    if value then
      parts, err = match(value, [[[Bb]earer\s+(.+)]], "oj")
    end
    if err then
      kong.log.err(err)
      return
    end
    note(found, parts and parts[1])
  end
end


-- All tokens that the request shows, each once.
local function find_tokens(conf)
  local found = {}
  look_in_query(conf, found)
  for _, name in ipairs(conf.cookie_names) do
    note(found, ngx.var["cookie_" .. name])
  end
  look_in_headers(conf, found)
  return found
end


-- ---- checking it ----------------------------------------------------------------------------

local function challenge(conf)
  return conf.realm and 'Bearer realm="' .. conf.realm .. '"' or "Bearer"
end


-- A refusal of a token for a reason: a text, or what is wrong by claim.
local function refusal(conf, reason)
  local refused = authentication.refusal(nil, challenge(conf) .. ' error="invalid_token"')
  refused.body = type(reason) == "table" and reason or { message = reason }
  return refused
end


local function select_secret(key)
  return kong.db.jwt_secrets:select_by_key(key)
end


-- The value that the signature is checked with; nil where the credential has none.
local function verification_key(conf, jwt, credential)
  if sub(credential.algorithm or "HS256", 1, 2) ~= "HS" then
    return credential.rsa_public_key
  elseif conf.secret_is_base64 then
    return jwt:base64_decode(credential.secret)
  end
  return credential.secret
end


-- Whether the token holds for its credential; false and the reason if not.
local function verify(conf, jwt, credential)
  if jwt.header.alg ~= (credential.algorithm or "HS256") then
    return false, ERR_ALGORITHM
  end
  local key = verification_key(conf, jwt, credential)
  if not key then
    return false, ERR_KEY
  elseif not jwt:verify_signature(key) then
    return false, ERR_SIGNATURE
  end
  local ok, errors = jwt:verify_registered_claims(conf.claims_to_verify)
  if ok and conf.maximum_expiration then
    ok, errors = jwt:check_maximum_expiration(conf.maximum_expiration)
  end
  return ok, errors
end


-- The token as a table and the credential that it names; or nil, nil and the reason why not.
local function read(conf, token)
  local jwt, err = jwt_parser:new(token)
  if not jwt then
    return nil, nil, "Bad token; " .. tostring(err)
  end
  local claim = "'" .. conf.key_claim_name .. "'"
  local key = jwt.claims[conf.key_claim_name] or jwt.header[conf.key_claim_name]
  if not key then
    return nil, nil, "No mandatory " .. claim .. " in claims"
  elseif key == "" then
    return nil, nil, "Invalid " .. claim .. " in claims"
  end
  local credential = authentication.cached(kong.db.jwt_secrets, key, select_secret)
  if not credential then
    return nil, nil, "No credentials found for given " .. claim
  end
  return jwt, credential
end


local function accept(conf, token, credential)
  local consumer, err = authentication.load_consumer(credential.consumer.id, true)
  if err then
    return error(err)
  elseif not consumer then
    local message = "Could not find consumer for '" .. conf.key_claim_name .. "=" .. credential.key .. "'"
    return { status = 401, body = { message = message } }
  end
  authentication.accept(consumer, credential, credential.key)
  kong.ctx.shared.authenticated_jwt_token = token
end


local function authenticate(conf)
  local tokens = find_tokens(conf)
  local token = tokens[1]
  if not token then
    local refused = authentication.refusal(nil, challenge(conf))
    refused.body = { message = ERR_NONE }
    return refused
  elseif tokens[2] then
    return refusal(conf, ERR_SEVERAL)
  elseif type(token) ~= "string" then
    return refusal(conf, ERR_NO_TEXT)
  end

  local jwt, credential, reason = read(conf, token)
  if not jwt then
    return refusal(conf, reason)
  end
  local ok
  ok, reason = verify(conf, jwt, credential)
  if not ok then
    return refusal(conf, reason)
  end
  return accept(conf, token, credential)
end


function Jwt:access(conf)
  if conf.run_on_preflight or kong.request.get_method() ~= "OPTIONS" then
    return authentication.run(conf, authenticate)
  end
end


return Jwt
