-- What clients ask for, and what is wrong with it. A fault is a table as RFC 6749, 5.2 has it.

local check_https = require("kong.tools.http").check_https
local strip = require("kong.tools.string").strip
local table_contains = require("kong.tools.table").table_contains

local kong = kong
local concat, gmatch, gsub, type = table.concat, string.gmatch, string.gsub, type
local decode_base64, encode_base64 = ngx.decode_base64, ngx.encode_base64

local WITH_BODY = { POST = true, PUT = true, PATCH = true }

local _M = {}


function _M.fault(code, description)
  return { error = code, error_description = description }
end

local fault = _M.fault


-- The parameters of the query and the body.
function _M.of_request()
  local query = kong.request.get_query()
  if WITH_BODY[kong.request.get_method()] then
    return kong.table.merge(query, (kong.request.get_body()))
  end
  return query
end


-- A fault when the request came in the clear.
function _M.transport_fault(conf)
  local is_trusted = kong.ip.is_trusted(kong.client.get_ip())
  local is_safe, err = check_https(is_trusted, conf.accept_http_if_already_terminated)
  if not is_safe then
    return fault("access_denied", err or "You must use HTTPS")
  end
end


-- A fault unless the parameters come from the application that asks users, and name a user.
function _M.provision_fault(conf, parameters)
  if conf.provision_key ~= parameters.provision_key then
    return fault("invalid_provision_key", "Invalid provision_key")
  end
  local user = parameters.authenticated_userid
  if not user or strip(user) == "" then
    return fault("invalid_authenticated_userid", "Missing authenticated_userid parameter")
  end
end


-- The scope that is asked for, if it may be had; nil and a fault if not.
function _M.scope(conf, parameters)
  local scope = parameters.scope
  if scope == nil or not conf.scopes then
    local is_missing = not scope and conf.mandatory_scope
    return nil, is_missing and fault("invalid_scope", "You must specify a scope") or nil
  elseif type(scope) ~= "string" then
    return nil, fault("invalid_scope", "scope must be a string")
  end
  local names = {}
  for name in gmatch(scope, "%S+") do
    if not table_contains(conf.scopes, name) then
      return nil, fault("invalid_scope", '"' .. name .. '" is an invalid scope')
    end
    names[#names + 1] = name
  end
  return names[1] and concat(names, " ") or nil
end


-- The redirection that is asked for, or the client's first one; also a fault when the client does not have
-- that one.
function _M.redirect_uri(client, parameters, message)
  local allowed = client.redirect_uris
  local uri = parameters.redirect_uri or allowed[1]
  if table_contains(allowed, uri) then
    return uri
  end
  return allowed[1], fault("invalid_request", message)
end


-- Whether a client needs a code challenge (RFC 7636). `method` is that of a code that has one.
function _M.needs_challenge(conf, client, method)
  if method then
    return true
  elseif client.client_type == "public" then
    return conf.pkce ~= "none"
  end
  return conf.pkce == "strict"
end


-- Base64 in its form for URLs, without padding (RFC 7636, 3).
local function canonical(text)
  local bytes = decode_base64((gsub(text, "[-_]", { ["-"] = "+", _ = "/" })))
  return bytes and (gsub(encode_base64(bytes, true), "[+/]", { ["+"] = "-", ["/"] = "_" })) or text
end


-- The code challenge and its method, where there is one; nil, nil and a fault when it is not as it must be.
function _M.challenge(conf, client, parameters)
  local challenge, method = parameters.code_challenge, parameters.code_challenge_method
  if not challenge then
    if method then
      return nil, nil, fault("invalid_request", "code_challenge is required when code_method is present")
    elseif client and _M.needs_challenge(conf, client) then
      return nil, nil, fault("invalid_request",
                             "code_challenge is required for " .. client.client_type .. " clients")
    end
    return nil
  elseif method and method ~= "S256" and method ~= "s256" then
    return nil, nil, fault("invalid_request", "code_challenge_method is not supported, must be S256")
  end
  return canonical(challenge), "S256"
end


return _M
