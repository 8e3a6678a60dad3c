-- resty.openssl.x509.csr: requests to sign a certificate.
local altname = require "resty.openssl.x509.altname"
local extension = require "resty.openssl.x509.extension"
local extensions = require "resty.openssl.x509.extensions"
local name = require "resty.openssl.x509.name"
local native = require "resty.openssl.native"
local objects = require "resty.openssl.objects"
local pem = require "resty.openssl.pem"
local pkey = require "resty.openssl.pkey"

local getmetatable, ipairs, setmetatable, type = getmetatable, ipairs, setmetatable, type

local SUBJECT_ALT_NAME = 85

local _M = {}
local mt = { __index = _M }

function _M.new(text, format)
  local ctx, err = native.csr(text, format or nil)
  if not ctx then
    return nil, err
  end
  return setmetatable({ ctx = ctx, added = {} }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:tostring(format)
  local der, err = native.csr_der(self.ctx)
  if not der or format == "DER" then
    return der, err
  end
  return pem("CERTIFICATE REQUEST", der)
end

function _M:to_PEM()
  return self:tostring("PEM")
end

function _M:get_version()
  return native.csr_get(self.ctx, "version") + 1
end

function _M:set_version(version)
  return native.csr_set(self.ctx, "version", version - 1)
end

function _M:get_subject_name()
  return name._wrap(native.csr_get(self.ctx, "subject"))
end

function _M:set_subject_name(subject)
  if not name.istype(subject) then
    return false, "x509.csr:set_subject_name: expect a x509.name instance at #1"
  end
  return native.csr_set(self.ctx, "subject", subject.ctx)
end

function _M:get_pubkey()
  return pkey._wrap(native.csr_get(self.ctx, "pubkey"))
end

function _M:set_pubkey(key)
  if not pkey.istype(key) then
    return false, "x509.csr:set_pubkey: expect a pkey instance at #1"
  end
  return native.csr_set(self.ctx, "pubkey", key.ctx)
end

-- Extensions go into the request when it is signed; those that were read are there already.
function _M:add_extension(item)
  self.added[#self.added + 1] = item
  return true
end

function _M:set_extension(item)
  local nid = item:get_extension_nid()
  for i, known in ipairs(self.added) do
    if known:get_extension_nid() == nid then
      self.added[i] = item
      return true
    end
  end
  return self:add_extension(item)
end

function _M:get_extensions()
  local all = extensions.new()
  for _, ctx in ipairs(native.csr_exts(self.ctx)) do
    all:add(extension._wrap(ctx))
  end
  for _, item in ipairs(self.added) do
    all:add(item)
  end
  return all
end

function _M:get_extension(wanted, after)
  local nid = objects.txtnid2nid(wanted)
  local all = self:get_extensions()
  for i = (after or 0) + 1, #all do
    if all[i]:get_extension_nid() == nid then
      return all[i], i
    end
  end
  return nil
end

function _M:set_subject_alt_name(names)
  if not altname.istype(names) then
    return false, "x509.csr:set_subject_alt_name: expect a x509.altname instance at #1"
  end
  local item, err = extension.new("subjectAltName", names:ext())
  if not item then
    return nil, err
  end
  return self:set_extension(item)
end

function _M:get_subject_alt_name()
  local item = self:get_extension(SUBJECT_ALT_NAME)
  if not item then
    return nil
  end
  return altname._wrap(native.alternative_names(item:to_der()))
end

function _M:set_subject_alt_name_critical(critical)
  local item = self:get_extension(SUBJECT_ALT_NAME)
  return item and item:set_critical(critical)
end

function _M:get_subject_alt_name_critical()
  local item = self:get_extension(SUBJECT_ALT_NAME)
  return item and item:get_critical()
end

local function put_extensions(self)
  if #self.added == 0 then
    return true
  end
  local list = {}
  for i, item in ipairs(self.added) do
    list[i] = item.ctx
  end
  self.added = {}
  return native.csr_add_exts(self.ctx, list)
end

function _M:sign(key, digest)
  if not pkey.istype(key) then
    return false, "x509.csr:sign: expect a pkey instance at #1"
  end
  local ok, err = put_extensions(self)
  if not ok then
    return nil, err
  end
  local algorithm = digest and (digest.algorithm or digest) or "sha256"
  if type(algorithm) ~= "string" or key.kind == "Ed25519" then
    algorithm = nil
  end
  return native.csr_sign(self.ctx, key.ctx, algorithm)
end

function _M:verify(key)
  if not pkey.istype(key) then
    return false, "x509.csr:verify: expect a pkey instance at #1"
  end
  return native.csr_verify(self.ctx, key.ctx)
end

function _M:check_private_key(key)
  if not pkey.istype(key) then
    return false, "x509.csr:check_private_key: expect a pkey instance at #1"
  end
  if not key:is_private() then
    return false, "x509.csr:check_private_key: key is not private"
  end
  local mine, theirs = self:get_pubkey():tostring("public"), key:tostring("public")
  return mine == theirs
end

return _M
