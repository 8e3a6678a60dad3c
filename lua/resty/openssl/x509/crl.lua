-- resty.openssl.x509.crl: lists of revoked certificates.
local bn = require "resty.openssl.bn"
local name = require "resty.openssl.x509.name"
local native = require "resty.openssl.native"
local pem = require "resty.openssl.pem"

local getmetatable, setmetatable, tonumber, type = getmetatable, setmetatable, tonumber, type

local _M = {}

local function entry_of(found)
  local serial = bn._wrap(found.serial)
  return {
    serial = serial, serial_number = serial:to_hex(), revoked_at = found.date, revocation_date = found.date,
  }
end

local function entries(self)
  return native.crl_revoked(self.ctx)
end

local mt = {
  __index = function(self, key)
    if type(key) == "number" then
      local found = entries(self)[key]
      return found and entry_of(found)
    end
    return _M[key]
  end,
  __len = function(self)
    return #entries(self)
  end,
}

function _M.new(text, format)
  local ctx, err = native.crl(text, format or nil)
  if not ctx then
    return nil, err
  end
  return setmetatable({ ctx = ctx }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M.dup(other)
  return _M.new(native.crl_der(other.ctx), "DER")
end

function _M:tostring(format)
  local der, err = native.crl_der(self.ctx)
  if not der or format == "DER" then
    return der, err
  end
  return pem("X509 CRL", der)
end

function _M:to_PEM()
  return self:tostring("PEM")
end

function _M:text()
  return self:tostring("PEM")
end

function _M:get_version()
  return native.crl_get(self.ctx, "version") + 1
end

function _M:set_version(version)
  return native.crl_set(self.ctx, "version", version - 1)
end

function _M:get_issuer_name()
  return name._wrap(native.crl_get(self.ctx, "issuer"))
end

function _M:set_issuer_name(issuer)
  return native.crl_set(self.ctx, "issuer", issuer.ctx)
end

function _M:get_last_update()
  return native.crl_get(self.ctx, "last_update")
end

function _M:set_last_update(time)
  return native.crl_set(self.ctx, "last_update", time)
end

function _M:get_next_update()
  return native.crl_get(self.ctx, "next_update")
end

function _M:set_next_update(time)
  return native.crl_set(self.ctx, "next_update", time)
end

function _M:add_revoked(revoked)
  return native.crl_add(self.ctx, revoked.serial.ctx, revoked.time)
end

function _M:get_by_serial(serial)
  if type(serial) ~= "table" then
    serial = type(serial) == "string" and bn.from_hex(serial) or bn.new(tonumber(serial))
  end
  local found = native.crl_by_serial(self.ctx, serial.ctx)
  return found and entry_of(found)
end

function _M:count()
  return #entries(self)
end

function _M:index(i)
  return self[i]
end

function _M:each()
  local all, i = entries(self), 0
  return function()
    i = i + 1
    if all[i] then
      local entry = entry_of(all[i])
      return entry.serial_number, entry
    end
  end
end

_M.iter = _M.each

function _M:all()
  local all = {}
  for _, entry in self:each() do
    all[#all + 1] = entry
  end
  return all
end

function _M:sign(key, digest)
  local algorithm = digest and (digest.algorithm or digest) or "sha256"
  return native.crl_sign(self.ctx, key.ctx, key.kind ~= "Ed25519" and algorithm or nil)
end

function _M:verify(key)
  return native.crl_verify(self.ctx, key.ctx)
end

return _M
