-- ngx.ssl: certificates and keys as objects, and the handshake of the client's connection.
local ders = require "resty.openssl.auxiliary.ders"
local native = require "ngx.ssl.native"

local error, ipairs, pairs, type = error, ipairs, pairs, type
local ngx = ngx
local get_phase = ngx.get_phase

local verify_client = native._verify_client

local _M = { version = "0.1.28" }
for name, value in pairs(native) do
  if name:sub(1, 1) ~= "_" then
    _M[name] = value
  end
end


local HANDSHAKE = {
  ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true, ssl_session_store = true,
}
local OUTSIDE = { init = true, init_worker = true, timer = true, exit_worker = true }

-- Whether the running code belongs to a connection with TLS.
local function has_tls()
  local phase = get_phase()
  return HANDSHAKE[phase] or not OUTSIDE[phase] and ngx.var.https == "on"
end

for _, name in ipairs {
  "clear_certs", "get_client_random", "get_tls1_version", "get_tls1_version_str", "server_name",
  "server_port", "set_cert", "set_der_cert", "set_der_priv_key", "set_priv_key",
} do
  local call = _M[name]
  _M[name] = call and function(...)
    if not has_tls() then
      return nil, "bad request"
    end
    return call(...)
  end
end

for _, name in ipairs { "raw_client_addr", "raw_server_addr" } do
  local call = _M[name]
  _M[name] = call and function()
    if not has_tls() then
      return nil, nil, "bad request"
    end
    return call()
  end
end


-- Asks the client for a certificate of these authorities: parsed ones, a list of them, or any where there are
-- none.
function _M.verify_client(ca_certs, depth)
  if depth ~= nil and type(depth) ~= "number" then
    error("bad argument #2 to 'verify_client' (number expected, got " .. type(depth) .. ")", 2)
  end
  return verify_client(ders(ca_certs), depth)
end


return _M
