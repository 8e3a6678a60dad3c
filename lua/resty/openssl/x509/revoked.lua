-- resty.openssl.x509.revoked: a certificate that is revoked, by its number.
local bn = require "resty.openssl.bn"

local getmetatable, setmetatable, type = getmetatable, setmetatable, type

local _M = {}
local mt = { __index = _M }

function _M.new(serial, time, reason)
  if type(time) ~= "number" then
    return nil, "x509.revoked.new: expect a number at #2"
  end
  if type(serial) == "number" then
    serial = bn.new(serial)
  end
  if not bn.istype(serial) then
    return nil, "x509.revoked.new: expect a bn instance or a number at #1"
  end
  return setmetatable({ serial = serial, time = time, reason = reason }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:get_serial_number()
  return self.serial
end

function _M:get_revocation_date()
  return self.time
end

return _M
