-- The authorization endpoint (RFC 6749, 3.1): codes, and implicit grants.

local clients = require "kong.plugins.oauth2.clients"
local encode_args = require("kong.tools.http").encode_args
local parameters_of = require "kong.plugins.oauth2.parameters"
local tokens = require "kong.plugins.oauth2.tokens"

local kong = kong
local error, match = error, string.match
local decode_args = ngx.decode_args

-- Seconds that a code is good for.
local CODE_TTL = 300

local ERR_REDIRECT = "Invalid redirect_uri that does not match with any redirect_uri "
                     .. "created with the application"


local function is_served(conf, response_type)
  return response_type == "code" and conf.enable_authorization_code
         or response_type == "token" and conf.enable_implicit_grant
end


-- Everything that is wrong is found; the last of it is told.
local function examine(conf, parameters)
  local wrong, uri, later
  if not is_served(conf, parameters.response_type) then
    wrong = parameters_of.fault("unsupported_response_type", "Invalid response_type")
  end
  local request = {}
  request.scope, later = parameters_of.scope(conf, parameters)
  wrong = later or wrong

  local client = clients.find(parameters.client_id)
  if client and client.redirect_uris then
    uri, later = parameters_of.redirect_uri(client, parameters, ERR_REDIRECT)
    wrong = later or wrong
  else
    wrong = clients.fault()
  end
  request.challenge, request.method, later = parameters_of.challenge(conf, client, parameters)
  request.client, request.redirect_uri = client, uri
  return request, later or wrong
end


local function make_code(conf, parameters, request)
  local service_id = tokens.service_id(conf)
  local code, err = kong.db.oauth2_authorization_codes:insert({
    service = service_id and { id = service_id } or nil,
    credential = { id = request.client.id },
    authenticated_userid = parameters.authenticated_userid,
    scope = request.scope,
    challenge = request.challenge,
    challenge_method = request.method,
    plugin = { id = kong.plugin.get_id() },
  }, { ttl = CODE_TTL })
  if not code then
    return error(err)
  end
  return { code = code.code }
end


-- What the client gets, where it is sent, and whether that goes to the fragment of the URI.
local function grant(conf, parameters)
  local wrong = parameters_of.transport_fault(conf) or parameters_of.provision_fault(conf, parameters)
  if wrong then
    return wrong
  end
  local request
  request, wrong = examine(conf, parameters)
  if wrong then
    return wrong, request.redirect_uri
  elseif parameters.response_type == "code" then
    return make_code(conf, parameters, request), request.redirect_uri
  end
  return tokens.make(conf, {
    client = request.client, user = parameters.authenticated_userid, scope = request.scope,
    state = parameters.state, no_refresh = true,
  }), request.redirect_uri, true
end


-- A URI with more in its query, or in its fragment.
local function with(uri, values, in_fragment)
  local base, query, fragment = match(uri, "^([^?#]*)%??([^#]*)#?(.*)$")
  local given = in_fragment and fragment or query
  local all = encode_args(kong.table.merge(decode_args(given), values))
  if in_fragment then
    return base .. (query ~= "" and "?" .. query or "") .. "#" .. all
  end
  return base .. "?" .. all .. (fragment ~= "" and "#" .. fragment or "")
end


return function(conf)
  local parameters = parameters_of.of_request()
  local answer, redirect_uri, in_fragment = grant(conf, parameters)
  answer.state = parameters.state
  local status = answer.error and 400 or 200
  if redirect_uri then
    answer = { redirect_uri = with(redirect_uri, answer, in_fragment) }
  end
  return kong.response.exit(status, answer, { ["cache-control"] = "no-store", pragma = "no-cache" })
end
