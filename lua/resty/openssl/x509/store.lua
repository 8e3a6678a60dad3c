-- resty.openssl.x509.store: trusted certificates, and chains verified by them.
local native = require "resty.openssl.native"

local chains = require "resty.openssl.x509.chain"

local getmetatable, ipairs, setmetatable, type = getmetatable, ipairs, setmetatable, type

local PURPOSES = {
  sslclient = 1, sslserver = 2, nssslserver = 3, smimesign = 4, smimeencrypt = 5, crlsign = 6, any = 7,
  ocsphelper = 8, timestampsign = 9,
}

local _M = {
  verify_flags = {
    X509_V_FLAG_CRL_CHECK = 0x4, X509_V_FLAG_CRL_CHECK_ALL = 0x8, X509_V_FLAG_PARTIAL_CHAIN = 0x80000,
  },
}
local mt = { __index = _M }

function _M.new()
  local ctx, err = native.store()
  if not ctx then
    return nil, err
  end
  return setmetatable({ ctx = ctx, kept = {} }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:use_default()
  return native.store_load(self.ctx)
end

function _M:add(item)
  if type(item) ~= "table" or not item.ctx then
    return false, "x509.store:add: expect an x509 or crl instance at #1"
  end
  self.kept[#self.kept + 1] = item
  return native.store_add(self.ctx, item.ctx)
end

function _M:load_file(path)
  if type(path) ~= "string" then
    return false, "x509.store:load_file: expect a string at #1"
  end
  return native.store_load(self.ctx, path)
end

function _M:load_directory(path)
  return native.store_load(self.ctx, nil, path)
end

function _M:set_depth(depth)
  return native.store_set(self.ctx, "depth", depth)
end

function _M:set_purpose(name)
  local purpose = PURPOSES[name]
  if not purpose then
    return nil, "x509.store:set_purpose: invalid purpose \"" .. name .. "\""
  end
  return native.store_set(self.ctx, "purpose", purpose)
end

function _M:set_flags(...)
  local flags = 0
  for _, flag in ipairs { ... } do
    flags = flags + flag
  end
  return native.store_set(self.ctx, "flags", flags)
end

-- True, or the verified chain where that is asked for; nil and why not.
function _M:verify(certificate, chain, return_chain, _, method)
  local list
  if chain then
    list = {}
    for i = 1, #chain do
      list[i] = chain[i].ctx
    end
  end
  local verified, err = native.store_verify(self.ctx, certificate.ctx, list or false, method)
  if not verified then
    return nil, err
  end
  if not return_chain then
    return true
  end
  local x509 = require "resty.openssl.x509"
  local found = chains.new()
  for _, one in ipairs(verified) do
    found:add(x509._wrap(one))
  end
  return found
end

function _M:check_revocation(chain)
  self:set_flags(_M.verify_flags.X509_V_FLAG_CRL_CHECK)
  local rest = chains.new()
  for i = 2, #chain do
    rest[i - 1] = chain[i]
  end
  return self:verify(chain[1], rest)
end

return _M
