-- resty.openssl.x509.extensions: a list of extensions.
return require "resty.openssl.auxiliary.list" "x509.extensions"
