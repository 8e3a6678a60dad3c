-- ngx.ssl.clienthello: what the client's first handshake message said, as far as it is kept.
local ssl = require "ngx.ssl"

local error, ngx = error, ngx

local _M = { version = "0.1.29" }

local function require_hello()
  if ngx.get_phase() ~= "ssl_client_hello" and ngx.get_phase() ~= "ssl_cert" then
    error("API disabled in the current context", 3)
  end
end

function _M.get_client_hello_server_name()
  require_hello()
  return ssl.server_name()
end

function _M.get_client_hello_ext()
  require_hello()
  return nil
end

function _M.get_client_hello_ext_present()
  require_hello()
  return nil, "the extensions of a client hello are not kept"
end

function _M.get_client_hello_ciphers()
  require_hello()
  return nil, "the ciphers of a client hello are not kept"
end

function _M.get_supported_versions()
  require_hello()
  return nil, "the versions of a client hello are not kept"
end

function _M.set_protocols(protocols)
  if type(protocols) ~= "table" then
    error("table expected", 2)
  end
  require_hello()
  return nil, "the protocols of a handshake are set by ssl_protocols"
end

return _M
