-- resty.openssl.x509: certificates.
local altname = require "resty.openssl.x509.altname"
local bn = require "resty.openssl.bn"
local extension = require "resty.openssl.x509.extension"
local name = require "resty.openssl.x509.name"
local native = require "resty.openssl.native"
local objects = require "resty.openssl.objects"
local pem = require "resty.openssl.pem"
local pkey = require "resty.openssl.pkey"

local getmetatable, ipairs, pairs, setmetatable, tonumber, type =
  getmetatable, ipairs, pairs, setmetatable, tonumber, type
local find, gmatch, lower, match = string.find, string.gmatch, string.lower, string.match

local _M = {}
local mt = {
  __index = _M,
  __tostring = function(self)
    return self:tostring("PEM")
  end,
}


function _M._wrap(ctx)
  return ctx and setmetatable({ ctx = ctx }, mt)
end

function _M.new(text, format)
  if text ~= nil and type(text) ~= "string" then
    return nil, "x509.new: expect nil or a string at #1"
  end
  local ctx, err = native.cert(text, format or nil)
  if not ctx then
    return nil, err
  end
  return _M._wrap(ctx)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.dup(other)
  return _M.new(native.cert_der(other.ctx), "DER")
end


function _M:tostring(format)
  local der, err = native.cert_der(self.ctx)
  if not der or format == "DER" then
    return der, err
  end
  return pem("CERTIFICATE", der)
end

function _M:to_PEM()
  return self:tostring("PEM")
end


-- ---- fields ---------------------------------------------------------------------------------

local get, set = native.cert_get, native.cert_set

function _M:get_version()
  return tonumber(get(self.ctx, "version")) + 1
end

function _M:set_version(version)
  return set(self.ctx, "version", version - 1)
end

function _M:get_serial_number()
  return bn._wrap(get(self.ctx, "serial"))
end

function _M:set_serial_number(number)
  if not bn.istype(number) then
    return false, "x509:set_serial_number: expect a bn instance at #1"
  end
  return set(self.ctx, "serial", number.ctx)
end

for _, field in ipairs { "subject", "issuer" } do
  _M["get_" .. field .. "_name"] = function(self)
    return name._wrap(get(self.ctx, field))
  end
  _M["set_" .. field .. "_name"] = function(self, value)
    if not name.istype(value) then
      return false, "x509:set_" .. field .. "_name: expect a x509.name instance at #1"
    end
    return set(self.ctx, field, value.ctx)
  end
end

for _, field in ipairs { "not_before", "not_after" } do
  _M["get_" .. field] = function(self)
    return get(self.ctx, field)
  end
  _M["set_" .. field] = function(self, time)
    if type(time) ~= "number" then
      return false, "x509:set_" .. field .. ": expect a number at #1"
    end
    return set(self.ctx, field, time)
  end
end

function _M:get_lifetime()
  return self:get_not_before(), self:get_not_after()
end

function _M:set_lifetime(from, to)
  local ok, err = self:set_not_before(from)
  if not ok then
    return ok, err
  end
  return self:set_not_after(to)
end

function _M:get_pubkey()
  local key, err = get(self.ctx, "pubkey")
  return pkey._wrap(key, err)
end

function _M:set_pubkey(key)
  if not pkey.istype(key) then
    return false, "x509:set_pubkey: expect a pkey instance at #1"
  end
  return set(self.ctx, "pubkey", key.ctx)
end


-- ---- digests and signatures -----------------------------------------------------------------

function _M:digest(algorithm)
  return native.cert_digest(self.ctx, algorithm or "sha1")
end

function _M:pubkey_digest(algorithm)
  return native.cert_digest(self.ctx, algorithm or "sha1", true)
end

function _M:get_signature_nid()
  return get(self.ctx, "signature_nid")
end

function _M:get_signature_name()
  local _, long = native.names(get(self.ctx, "signature_nid"))
  return long
end

function _M:get_signature_digest_name()
  local text = lower(self:get_signature_name() or "")
  local digest = match(text, "sha%d+") or match(text, "md5")
  return digest and digest:upper()
end

function _M:sign(key, digest)
  if not pkey.istype(key) then
    return false, "x509:sign: expect a pkey instance at #1"
  end
  local algorithm = digest and (digest.algorithm or digest) or "sha256"
  return native.cert_sign(self.ctx, key.ctx, key.kind ~= "Ed25519" and algorithm or nil)
end

function _M:verify(key)
  if not pkey.istype(key) then
    return false, "x509:verify: expect a pkey instance at #1"
  end
  return native.cert_verify(self.ctx, key.ctx)
end

function _M:check_private_key(key)
  if not pkey.istype(key) then
    return false, "x509:check_private_key: expect a pkey instance at #1"
  end
  if not key:is_private() then
    return false, "x509:check_private_key: key is not private"
  end
  return native.cert_matches_key(self.ctx, key.ctx)
end


-- ---- extensions -----------------------------------------------------------------------------

-- The extension of a name or number and its place; from a place on.
function _M:get_extension(wanted, after)
  local nid, err = objects.txtnid2nid(wanted)
  if not nid then
    return nil, nil, "x509:get_extension: " .. err
  end
  for i = after or 0, get(self.ctx, "extensions") - 1 do
    local found = extension._wrap(native.cert_ext(self.ctx, i))
    if found and found:get_extension_nid() == nid then
      return found, i + 1
    end
  end
  return nil
end

function _M:add_extension(item)
  if not extension.istype(item) then
    return false, "x509:add_extension: expect a x509.extension instance at #1"
  end
  return native.cert_add_ext(self.ctx, item.ctx)
end

function _M:set_extension(item, after)
  local _, place = self:get_extension(item:get_extension_nid(), after)
  if place then
    native.cert_remove_ext(self.ctx, place - 1)
  end
  return native.cert_add_ext(self.ctx, item.ctx, place and place - 1)
end

local function critical_accessors(field, extension_name)
  _M["get_" .. field .. "_critical"] = function(self)
    local item = self:get_extension(extension_name)
    return item and item:get_critical()
  end
  _M["set_" .. field .. "_critical"] = function(self, critical)
    local item = self:get_extension(extension_name)
    if not item then
      return false, "x509:set_" .. field .. "_critical: extension not found"
    end
    item:set_critical(critical)
    return self:set_extension(item)
  end
end

critical_accessors("subject_alt_name", "subjectAltName")
critical_accessors("issuer_alt_name", "issuerAltName")
critical_accessors("basic_constraints", "basicConstraints")
critical_accessors("info_access", "authorityInfoAccess")
critical_accessors("crl_distribution_points", "crlDistributionPoints")

local function alternative_names(field, extension_name)
  _M["get_" .. field] = function(self)
    local item = self:get_extension(extension_name)
    return item and altname._wrap(native.alternative_names(item:to_der()))
  end
  _M["set_" .. field] = function(self, names)
    local item, err = extension.new(extension_name, names:ext())
    if not item then
      return nil, err
    end
    return self:set_extension(item)
  end
end

alternative_names("subject_alt_name", "subjectAltName")
alternative_names("issuer_alt_name", "issuerAltName")

-- { ca =, pathlen = }, or the one that is asked for.
function _M:get_basic_constraints(field)
  local item = self:get_extension("basicConstraints")
  if not item then
    return nil
  end
  local text = item:text()
  local constraints = {
    ca = find(text, "CA:TRUE", 1, true) ~= nil,
    pathlen = tonumber(match(text, "pathlen:(%d+)")) or 0,
  }
  if field then
    return constraints[lower(field)]
  end
  return constraints
end

function _M:set_basic_constraints(constraints)
  local given = {}
  for field, value in pairs(constraints) do
    given[lower(field)] = value
  end
  local text = "CA:" .. (given.ca and "TRUE" or "FALSE")
  if given.pathlen then
    text = text .. ",pathlen:" .. given.pathlen
  end
  local item, err = extension.new("basicConstraints", text)
  if not item then
    return nil, err
  end
  return self:set_extension(item)
end

local function urls(self, extension_name, pattern)
  local item = self:get_extension(extension_name)
  local found = {}
  for url in gmatch(item and item:text() or "", pattern) do
    found[#found + 1] = url
  end
  return found
end

function _M:get_ocsp_url(all)
  local found = urls(self, "authorityInfoAccess", "OCSP %- URI:(%S+)")
  return all and found or found[1]
end

function _M:get_crl_url(all)
  local found = urls(self, "crlDistributionPoints", "URI:(%S+)")
  return all and found or found[1]
end

-- Whether the certificate is of an authority.
function _M:get_ca()
  return self:get_basic_constraints("ca") or false
end


return _M
