-- basic-auth: a consumer is who knows the name and the password of a credential (RFC 7617).

local authentication = require "kong.tools.authentication"
local crypto = require "kong.plugins.basic-auth.crypto"
local kong_meta = require "kong.meta"

local kong = kong
local decode_base64, match = ngx.decode_base64, ngx.re.match

local ERR_REFUSED = "Unauthorized"

local BasicAuth = {
  VERSION = kong_meta.version,
  PRIORITY = 1100,
}


-- Name and password in a header's value; nothing where it has none.
local function parse(value)
  local found, err = match(value, [[[Bb]asic\s*(.+)]], "oj")
  if err then
    return kong.log.err(err)
  end
  local pair = found and decode_base64(found[1])
  if not pair then
    return
  end
  found, err = match(pair, "([^:]+):(.*)", "oj")
  if not found then
    return kong.log.err(err or "header has unrecognized format")
  end
  return found[1], found[2]
end


-- Name and password in a header, which is removed if the configuration says so.
local function take(name, conf)
  local value = kong.request.get_header(name)
  local username, password
  if value then
    username, password = parse(value)
  end
  if conf.hide_credentials then
    kong.service.request.clear_header(name)
  end
  return username, password
end


local function select_credential(username)
  return kong.db.basicauth_credentials:select_by_username(username)
end


local function load_credential(username)
  return authentication.cached(kong.db.basicauth_credentials, username, select_credential)
end


-- The credential that one of two headers names, and the password that came with it.
local function find_credential(conf)
  local username, password = take("proxy-authorization", conf)
  local credential = username and load_credential(username)
  if not credential then
    username, password = take("authorization", conf)
    credential = username and load_credential(username)
  end
  return credential, password
end


local function authenticate(conf)
  local request = kong.request
  if request.get_header("authorization") or request.get_header("proxy-authorization") then
    local credential, password = find_credential(conf)
    if credential and credential.password == crypto.hash(credential.consumer.id, password) then
      return authentication.accept_owner(credential, credential.username)
    end
  end
  return authentication.refusal(ERR_REFUSED, 'Basic realm="' .. conf.realm .. '"')
end


function BasicAuth:access(conf)
  return authentication.run(conf, authenticate)
end


return BasicAuth
