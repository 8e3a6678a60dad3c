-- oauth2: clients act for users, or for themselves, with tokens that this plugin gives out (RFC 6749, 6750).

local authentication = require "kong.tools.authentication"
local authorize = require "kong.plugins.oauth2.authorize"
local issue = require "kong.plugins.oauth2.issue"
local kong_meta = require "kong.meta"
local parameters_of = require "kong.plugins.oauth2.parameters"

local kong, ngx = kong, ngx
local find, lower, match, type = string.find, string.lower, string.match, type

local ERR_MISSING = "The access token is missing"
local ERR_INVALID = "The access token is invalid or has expired"
local ERR_GLOBAL = "The access token is global, but the current plugin is configured "
                   .. "without 'global_credentials'"

local SCOPE, USER = "X-Authenticated-Scope", "X-Authenticated-UserId"

local OAuth2 = {
  VERSION = kong_meta.version,
  PRIORITY = 1400,
}


-- ---- refusing -------------------------------------------------------------------------------

-- A refusal (RFC 6750, 3); the challenge tells the reason where there is one.
local function refusal(conf, status, code, description, reason)
  local challenge = "Bearer" .. (conf.realm and ' realm="' .. conf.realm .. '"' or "")
  if reason then
    challenge = challenge .. ' error="' .. code .. '" error_description="' .. reason .. '"'
  end
  local refused = authentication.refusal(nil, challenge, status)
  refused.body = parameters_of.fault(code, description)
  return refused
end


local function invalid(conf)
  return refusal(conf, 401, "invalid_token", ERR_INVALID, ERR_INVALID)
end


local function exit(refused)
  return kong.response.exit(refused.status, refused.body, refused.headers)
end


-- ---- finding the token ----------------------------------------------------------------------

-- Removes the token from query and form.
local function hide()
  local query = kong.request.get_query()
  query.access_token = nil
  kong.service.request.set_query(query)
  local content_type = kong.request.get_header("content-type")
  local is_form = content_type and find(content_type, "application/x-www-form-urlencoded", 1, true)
  if is_form and kong.request.get_method() ~= "GET" then
    local body = kong.request.get_body() or {}
    body.access_token = nil
    kong.service.request.set_body(body)
  end
end


local function take_token(conf)
  local value = kong.request.get_header(conf.auth_header_name)
  local scheme, token
  if value then
    scheme, token = match(value, "^%s*(%S+)%s+(%S+)%s*$")
    scheme = scheme and lower(scheme)
  else
    value = parameters_of.of_request().access_token
    if type(value) ~= "string" then
      return nil
    end
  end

  local is_in_header = scheme == "token" or scheme == "bearer"
  if conf.hide_credentials and is_in_header then
    kong.service.request.clear_header(conf.auth_header_name)
  elseif conf.hide_credentials then
    hide()
  end
  return is_in_header and token or value
end


-- ---- checking it ----------------------------------------------------------------------------

local function select_token(access_token)
  return kong.db.oauth2_tokens:select_by_access_token(access_token)
end


local function select_client(id)
  return kong.db.oauth2_credentials:select({ id = id })
end


local function is_good(conf, token)
  if not token then
    return false
  end
  local service_id = token.service and token.service.id
  if service_id then
    local service = kong.router.get_service()
    if not service or service.id ~= service_id then
      return false
    end
  elseif not conf.global_credentials then
    return exit(refusal(conf, 401, "invalid_token", ERR_GLOBAL, ERR_INVALID))
  end
  return token.expires_in == 0 or ngx.time() - token.created_at <= token.expires_in
end


local function authenticate(conf)
  local access_token = take_token(conf)
  if not access_token or access_token == "" then
    return refusal(conf, 401, "invalid_request", ERR_MISSING)
  end
  local token = authentication.cached(kong.db.oauth2_tokens, access_token, select_token)
  if not is_good(conf, token) then
    return invalid(conf)
  end

  local client = authentication.cached(kong.db.oauth2_credentials, token.credential.id, select_client)
  authentication.accept_owner(client, client.client_id)
  if token.scope then
    kong.service.request.set_header(SCOPE, token.scope)
  end
  if token.authenticated_userid then
    kong.service.request.set_header(USER, token.authenticated_userid)
  end
end


-- ---- endpoints ------------------------------------------------------------------------------

local ENDPOINTS = {
  { path = "/oauth2/token/?$", name = "token", serve = issue },
  { path = "/oauth2/authorize/?$", name = "authorization", serve = authorize },
}


local function serve(conf, endpoint)
  local method = kong.request.get_method()
  if method ~= "POST" then
    local message = "The HTTP method " .. method .. " is invalid for the " .. endpoint.name .. " endpoint"
    return exit(refusal(conf, 405, "invalid_method", message, message))
  end
  return endpoint.serve(conf)
end


function OAuth2:access(conf)
  local path = kong.request.get_path()
  for i = 1, #ENDPOINTS do
    if find(path, ENDPOINTS[i].path) then
      return serve(conf, ENDPOINTS[i])
    end
  end
  kong.service.request.clear_header(SCOPE)
  kong.service.request.clear_header(USER)
  return authentication.run(conf, authenticate)
end


return OAuth2
