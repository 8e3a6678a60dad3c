-- ngx.ssl: certificates and keys as objects, and the handshake of the client's connection.
local ders = require "resty.openssl.auxiliary.ders"
local native = require "ngx.ssl.native"

local error, pairs, type = error, pairs, type

local verify_client = native._verify_client

local _M = { version = "0.1.29" }
for name, value in pairs(native) do
  if name:sub(1, 1) ~= "_" then
    _M[name] = value
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
