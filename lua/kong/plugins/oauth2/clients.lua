-- Clients, and how they prove who they are.

local authentication = require "kong.tools.authentication"
local fault = require("kong.plugins.oauth2.parameters").fault
local secret = require "kong.plugins.oauth2.secret"
local string_tools = require "kong.tools.string"

local kong = kong
local type = type
local decode_base64, match = ngx.decode_base64, ngx.re.match
local split, strip = string_tools.split, string_tools.strip

local ERR_CLIENT = "Invalid client authentication"

local _M = {}


local function select_client(client_id)
  return kong.db.oauth2_credentials:select_by_client_id(client_id)
end


function _M.find(client_id)
  if type(client_id) == "string" and client_id ~= "" then
    return authentication.cached(kong.db.oauth2_credentials, client_id, select_client)
  end
end


function _M.fault()
  return fault("invalid_client", ERR_CLIENT)
end


-- Id and secret in a header (RFC 6749, 2.3.1).
local function from_header(value)
  local found, err = match(value, [[[Bb]asic\s*(.+)]], "oj")
  if err then
    return kong.log.err(err)
  end
  local pair = found and decode_base64(found[1])
  local parts = pair and split(pair, ":") or {}
  return parts[1], parts[2]
end


-- Id and secret of the client that asks, and whether they were looked for in a header.
function _M.claimed(conf, parameters)
  local header = kong.request.get_header(conf.auth_header_name)
  local id = parameters.client_id
  if header and not (id and parameters.client_secret) then
    local client_id, client_secret = from_header(header)
    return client_id, client_secret, true
  end
  return id, id and parameters.client_secret, false
end


local function rehash(client, client_secret)
  local key = kong.db.oauth2_credentials.schema:extract_pk_values(client)
  local ok, err = kong.db.oauth2_credentials:update(key, {
    client_secret = client_secret, hash_secret = true,
  })
  if not ok then
    kong.log.warn(err)
  end
end


local function knows_secret(client, client_secret)
  if not client.hash_secret then
    return client.client_secret == client_secret
  end
  local ok = secret.verify(client_secret, client.client_secret)
  if ok and secret.needs_rehash(client.client_secret) then
    rehash(client, client_secret)
  end
  return ok
end


-- A fault unless a client proved what its kind must prove.
function _M.secret_fault(client, client_secret)
  if client.client_type == "confidential" then
    return not knows_secret(client, client_secret) and _M.fault() or nil
  elseif strip(client_secret) ~= "" then
    return fault("invalid_request", "client_secret is disallowed for public clients")
  end
end


return _M
