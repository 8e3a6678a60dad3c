-- ldap-auth: who knows the name and the password of an entry in a directory.

local authentication = require "kong.tools.authentication"
local kong_meta = require "kong.meta"
local ldap = require "kong.plugins.ldap-auth.ldap"
local sha256_hex = require("kong.tools.sha256").sha256_hex

local kong, ngx = kong, ngx
local error, fmt, lower, match, upper =
  error, string.format, string.lower, string.match, string.upper
local decode_base64 = ngx.decode_base64

local ERR_REFUSED = "Unauthorized"

local LdapAuth = {
  VERSION = kong_meta.version,
  PRIORITY = 1200,
}


-- Name and password in a header's value.
local function parse(conf, value)
  local scheme, text = match(value, "^%s*(%S+)%s+(.*)$")
  if not scheme or lower(scheme) ~= lower(conf.header_type) then
    kong.log.info("header_type: ", lower(conf.header_type), " not found in authorization header value")
    return nil
  end
  local username, password = match(decode_base64(text) or "", "^([^:]*):(.+)$")
  if not username then
    kong.log.err("no valid credentials found in authorization header value")
  end
  return username, password
end


-- ---- the directory --------------------------------------------------------------------------

-- Makes a new connection a safe one, if it is to be. Answers whether it is of use: nil when the server could
-- not be asked, false when it is not to be trusted.
local function secure(conf, socket)
  if conf.start_tls then
    local uses, err = socket:getreusedtimes()
    local ok = uses
    if uses == 0 then
      ok, err = ldap.start_tls(socket)
    end
    if not ok then
      return nil, err
    end
  end
  if conf.start_tls or conf.ldaps then
    local _, err = socket:sslhandshake(true, conf.ldap_host, conf.verify_ldap_host)
    if err then
      return false, fmt("failed to do SSL handshake with %s:%s: %s", conf.ldap_host, conf.ldap_port, err)
    end
  end
  return true
end


-- Whether the directory knows name and password; nil when it could not be asked. Also answers an error.
local function ask(conf, username, password)
  local server = conf.ldap_host .. ":" .. conf.ldap_port
  local socket = ngx.socket.tcp()
  socket:settimeout(conf.timeout)
  -- the same port has connections in the clear, too
  local ok, err = socket:connect(conf.ldap_host, conf.ldap_port,
                                 { pool = conf.start_tls and server .. ":starttls" or nil })
  if not ok then
    kong.log.err("failed to connect to ", server, ": ", err)
    return nil, err
  end
  ok, err = secure(conf, socket)
  if not ok then
    socket:close()
    return ok, err
  end

  local is_right
  local name = conf.attribute .. "=" .. username .. "," .. conf.base_dn
  is_right, err = ldap.bind_request(socket, name, password)
  local kept, problem = socket:setkeepalive(conf.keepalive)
  if not kept then
    kong.log.err("failed to keepalive to ", server, ": ", problem)
  end
  return is_right, err
end


local function cache_key(conf, username, password)
  local parts = fmt("%s:%u:%s:%s:%u:%s:%s", lower(conf.ldap_host), conf.ldap_port, conf.base_dn,
                    conf.attribute, conf.cache_ttl, username, password)
  return "ldap_auth_cache:" .. sha256_hex(parts)
end


local function load_credential(conf, key, username, password)
  local is_right, err = ask(conf, username, password)
  if err then
    kong.log.err(err)
  end
  if not is_right then
    return is_right
  end
  return { id = key, username = username, password = password }
end


-- ---- requests -------------------------------------------------------------------------------

-- The credential that a header's value has, if the directory knows it.
local function check(conf, value)
  local username, password
  if value then
    username, password = parse(conf, value)
  end
  if not username then
    return nil
  end
  local key = cache_key(conf, username, password)
  local options = { ttl = conf.cache_ttl, neg_ttl = conf.cache_ttl }
  local credential, err = kong.cache:get(key, options, load_credential, conf, key, username, password)
  if err or credential == nil then
    return error(err or "the directory could not be asked")
  end
  return credential and credential.password == password and credential
end


local function challenge(conf)
  local scheme = conf.header_type == "ldap" and upper(conf.header_type) or conf.header_type
  return conf.realm and scheme .. ' realm="' .. conf.realm .. '"' or scheme
end


local function authenticate(conf)
  local credential = check(conf, kong.request.get_header("proxy-authorization"))
                     or check(conf, kong.request.get_header("authorization"))
  if not credential then
    return authentication.refusal(ERR_REFUSED, challenge(conf))
  end
  if conf.hide_credentials then
    kong.service.request.clear_header("authorization")
    kong.service.request.clear_header("proxy-authorization")
  end
  authentication.accept(nil, credential, credential.username)
end


function LdapAuth:access(conf)
  return authentication.run(conf, authenticate)
end


return LdapAuth
