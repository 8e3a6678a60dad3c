-- resty.openssl.auxiliary.ders: certificates in whatever form as the host takes them.
local native = require "resty.openssl.native"

local error, ipairs, type = error, ipairs, type


-- A list of DER texts out of a list or store of resty.openssl; what is no table stays what it is.
return function(certificates)
  if type(certificates) ~= "table" then
    return certificates
  elseif certificates.ctx and certificates.ctx ~= certificates then
    if certificates.kept then
      return native.store_ders(certificates.ctx)
    end
    return { native.cert_der(certificates.ctx) }
  end
  local list = {}
  for i, one in ipairs(certificates) do
    if type(one) ~= "table" or not one.ctx then
      error("expected certificates of resty.openssl, item " .. i .. " is a " .. type(one), 3)
    end
    list[i] = native.cert_der(one.ctx)
  end
  return list
end
