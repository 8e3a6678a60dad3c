-- resty.kong.tls: what Kong adds to nginx about TLS with clients and upstreams.
local ders = require "resty.openssl.auxiliary.ders"
local native = require "kong.native"
local ngx_ssl = require "ngx.ssl"
local host_ssl = require "ngx.ssl.native"
local x509_store = require "resty.openssl.x509.store"

local error, ngx, type = error, ngx, type

local refuse_resumption = host_ssl._refuse_resumption

local _M = {}


local function require_phase(wanted)
  if ngx.get_phase() ~= wanted then
    error("API disabled in the current context", 3)
  end
end


-- ---- the client -----------------------------------------------------------------------------

function _M.request_client_certificate(ca_certs)
  require_phase "ssl_cert"
  return ngx_ssl.verify_client(ca_certs, 0)
end


function _M.disable_session_reuse()
  require_phase "ssl_cert"
  return refuse_resumption()
end


function _M.disable_http2_alpn()
  require_phase "ssl_client_hello"
  return nil, "the client_hello phase does not run in this version"
end


local WITHOUT_CHAIN = {
  init = true, init_worker = true, timer = true, ssl_cert = true, ssl_client_hello = true,
  header_filter = true, body_filter = true,
}

function _M.get_full_client_certificate_chain()
  local phase = ngx.get_phase()
  if WITHOUT_CHAIN[phase] then
    error("API disabled in the current context", 2)
  elseif phase ~= "preread" and ngx.var.https ~= "on" then
    return nil, "connection is not TLS or TLS support for Nginx not enabled"
  end
  return native.client_certificate_chain()
end


-- ---- the upstream ---------------------------------------------------------------------------

function _M.set_upstream_cert_and_key(chain, key)
  if not chain or not key then
    error("chain and key must not be nil", 2)
  end
  return native.upstream_identity(chain, key)
end


function _M.set_upstream_ssl_trusted_store(store)
  if not x509_store.istype(store) then
    error("store expects a resty.openssl.x509.store object but found " .. type(store), 2)
  end
  return native.upstream_authorities(ders(store))
end


function _M.set_upstream_ssl_verify(verify)
  if type(verify) ~= "boolean" then
    error("verify expects a boolean but found " .. type(verify), 2)
  end
  native.upstream_set("tls_verify", verify)
  return true
end


function _M.set_upstream_ssl_verify_depth(depth)
  if type(depth) ~= "number" then
    error("depth expects a number but found " .. type(depth), 2)
  elseif depth < 0 then
    error("depth expects a non-negative integer but found " .. depth, 2)
  end
  native.upstream_set("tls_verify_depth", depth)
  return true
end


return _M
