-- resty.openssl.x509.chain: a list of certificates.
return require "resty.openssl.auxiliary.list" "x509.chain"
