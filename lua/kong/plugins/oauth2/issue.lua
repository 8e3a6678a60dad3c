-- The token endpoint (RFC 6749, 3.2).

local clients = require "kong.plugins.oauth2.clients"
local parameters_of = require "kong.plugins.oauth2.parameters"
local sha256_base64url = require("kong.tools.sha256").sha256_base64url
local table_contains = require("kong.tools.table").table_contains
local tokens = require "kong.plugins.oauth2.tokens"

local kong = kong
local gmatch, type = string.gmatch, type

local fault = parameters_of.fault

local ERR_REDIRECT = "Invalid redirect_uri that does not match with any redirect_uri "
                     .. "created with the application"


local function is_elsewhere(conf, entity)
  local service_id = tokens.service_id(conf)
  return service_id ~= nil and (not entity.service or entity.service.id ~= service_id)
end


-- ---- grants: each answers a token or a fault ------------------------------------------------

-- RFC 7636, 4.6
local function verifier_fault(parameters, code)
  local verifier = parameters.code_verifier
  if not verifier then
    return fault("invalid_request", "code_verifier is required for PKCE authorization requests")
  elseif type(verifier) ~= "string" then
    return fault("invalid_request", "code_verifier is not a string")
  elseif #verifier < 43 or #verifier > 128 then
    return fault("invalid_request", "code_verifier must be between 43 and 128 characters")
  elseif sha256_base64url(verifier) ~= code.challenge then
    return fault("invalid_grant", "Invalid code")
  end
end


local function code_fault(conf, parameters, client, code)
  if not code or is_elsewhere(conf, code) or code.credential.id ~= client.id then
    return fault("invalid_request", "Invalid code")
  end
  if parameters_of.needs_challenge(conf, client, code.challenge_method) then
    local wrong = verifier_fault(parameters, code)
    if wrong then
      return wrong
    end
  end
  -- codes of former versions name no plugin
  if conf.global_credentials and code.plugin and code.plugin.id ~= kong.plugin.get_id() then
    return fault("invalid_request", "Invalid code")
  end
end


local GRANTS = {}

function GRANTS.authorization_code(conf, parameters, client)
  local code = parameters.code and kong.db.oauth2_authorization_codes:select_by_code(parameters.code)
  local wrong = code_fault(conf, parameters, client, code)
  if wrong then
    return wrong
  end
  local token = tokens.make(conf, {
    client = client, user = code.authenticated_userid, scope = code.scope, state = parameters.state,
  })
  kong.db.oauth2_authorization_codes:delete({ id = code.id })
  return token
end


local function grant_scope(conf, parameters, client, no_refresh)
  local scope, wrong = parameters_of.scope(conf, parameters)
  return wrong or tokens.make(conf, {
    client = client, user = parameters.authenticated_userid, scope = scope, state = parameters.state,
    no_refresh = no_refresh,
  })
end


function GRANTS.client_credentials(conf, parameters, client)
  if parameters.authenticated_userid and conf.provision_key ~= parameters.provision_key then
    return fault("invalid_provision_key", "Invalid provision_key")
  elseif not client then
    return clients.fault()
  end
  return grant_scope(conf, parameters, client, true)
end


function GRANTS.password(conf, parameters, client)
  return parameters_of.provision_fault(conf, parameters) or grant_scope(conf, parameters, client)
end


function GRANTS.refresh_token(conf, parameters, client)
  local given = parameters.refresh_token
  local token = given and kong.db.oauth2_tokens:select_by_refresh_token(given)
  if not token or is_elsewhere(conf, token) then
    return fault("invalid_request", "Invalid refresh_token")
  elseif token.credential.id ~= client.id then
    return clients.fault()
  end
  for scope in gmatch(token.scope or "", "%S+") do
    if not table_contains(conf.scopes or {}, scope) then
      return fault("invalid_scope", "Scope mismatch")
    end
  end

  local made = tokens.make(conf, {
    client = client, user = token.authenticated_userid, scope = token.scope, state = parameters.state,
    renewed = token,
  })
  if not conf.reuse_refresh_token then
    kong.db.oauth2_tokens:delete({ id = token.id })
  end
  return made
end


-- ---- the endpoint ---------------------------------------------------------------------------

local function is_served(conf, grant_type)
  return grant_type == "authorization_code" or grant_type == "refresh_token"
         or grant_type == "client_credentials" and conf.enable_client_credentials
         or grant_type == "password" and conf.enable_password_grant
end


-- The client, if any; the last of what is wrong; and whether that is a client that used a header and failed.
local function examine(conf, parameters)
  local grant_type = parameters.grant_type
  local wrong, is_refused
  if not is_served(conf, grant_type) then
    wrong = fault("unsupported_grant_type", "Invalid grant_type")
  end

  local client_id, client_secret, by_header = clients.claimed(conf, parameters)
  local client = clients.find(client_id)
  if grant_type ~= "client_credentials" then
    if client and client.redirect_uris then
      local _, later = parameters_of.redirect_uri(client, parameters, ERR_REDIRECT)
      wrong = later or wrong
    else
      wrong, is_refused = clients.fault(), by_header
    end
  end
  local later = client and clients.secret_fault(client, client_secret)
  if later then
    wrong, is_refused = later, is_refused or by_header and later.error == "invalid_client"
  end
  return client, wrong, is_refused
end


return function(conf)
  local parameters = parameters_of.of_request()
  local wrong, client, is_refused = parameters_of.transport_fault(conf), nil, nil
  if not wrong then
    client, wrong, is_refused = examine(conf, parameters)
  end
  local answer = wrong or GRANTS[parameters.grant_type](conf, parameters, client)
  answer.state = parameters.state
  return kong.response.exit(answer.error and (is_refused and 401 or 400) or 200, answer, {
    ["cache-control"] = "no-store", pragma = "no-cache",
    ["www-authenticate"] = is_refused and 'Basic realm="OAuth2.0"' or nil,
  })
end
