-- resty.openssl.auxiliary.nginx: the TLS connection of a request is no structure of OpenSSL here.
local ERR = "the connection's TLS is not OpenSSL's in this gateway"

local function refuse()
  return nil, ERR
end

return {
  get_req_ssl = refuse, get_req_ssl_ctx = refuse, get_socket_ssl = refuse, get_socket_ssl_ctx = refuse,
}
