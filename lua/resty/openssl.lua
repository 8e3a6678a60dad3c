-- resty.openssl: all parts by name, loaded when they are asked for.
local require, setmetatable = require, setmetatable

local _M = { _VERSION = "1.5.1" }

for name, module in pairs {
  bn = "bn", cipher = "cipher", digest = "digest", hmac = "hmac", kdf = "kdf", mac = "mac", pkey = "pkey",
  rand = "rand", version = "version", x509 = "x509", name = "x509.name", altname = "x509.altname",
  chain = "x509.chain", csr = "x509.csr", crl = "x509.crl", extension = "x509.extension",
  extensions = "x509.extensions", revoked = "x509.revoked", store = "x509.store", objects = "objects",
} do
  _M["_" .. name] = module
end

function _M.load_modules()
  for _, name in ipairs { "bn", "cipher", "digest", "hmac", "kdf", "pkey", "rand", "version", "x509" } do
    _M[name] = require("resty.openssl." .. name)
  end
end

function _M.set_fips_mode()
  return nil, "FIPS mode is not supported by this build"
end

function _M.get_fips_mode()
  return false
end

return setmetatable(_M, {
  __index = function(self, name)
    local module = rawget(self, "_" .. name)
    return module and require("resty.openssl." .. module)
  end,
})
