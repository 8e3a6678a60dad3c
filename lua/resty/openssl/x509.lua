-- resty.openssl.x509: a certificate, read.
local native = require "resty.openssl.native"
local pkey = require "resty.openssl.pkey"

local encode_base64 = ngx.encode_base64
local concat, gsub = table.concat, string.gsub
local getmetatable, ipairs, setmetatable = getmetatable, ipairs, setmetatable

local _M = {}
local mt = { __index = _M }

-- Names: a list of attributes, found by short name or identifier

local name_methods = {}
local name_mt = { __index = name_methods }

function name_methods:tostring()
  local parts = {}
  for i, attribute in ipairs(self) do
    parts[i] = attribute[2] .. "=" .. attribute[3]
  end
  return concat(parts, "/")
end

name_mt.__tostring = name_methods.tostring

local function attribute_of(attribute)
  return { id = attribute[1], sn = attribute[2], blob = attribute[3] }
end

function name_methods:find(wanted, after)
  for i = (after or 0) + 1, #self do
    local attribute = self[i]
    if attribute[1] == wanted or attribute[2] == wanted then
      return attribute_of(attribute), i
    end
  end
  return nil
end

function name_methods:all()
  local all = {}
  for _, attribute in ipairs(self) do
    all[attribute[2]] = attribute_of(attribute)
  end
  return all
end

function name_methods:each()
  local i = 0
  return function()
    i = i + 1
    if self[i] then
      return self[i][2], attribute_of(self[i])
    end
  end
end

-- Certificates

function _M.new(text)
  if not text then
    return nil, "x509.new: a certificate is needed"
  end
  local facts, err = native.certificate(text)
  if not facts then
    return nil, err
  end
  setmetatable(facts.subject, name_mt)
  setmetatable(facts.issuer, name_mt)
  return setmetatable({ facts = facts }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:get_subject_name()
  return self.facts.subject
end

function _M:get_issuer_name()
  return self.facts.issuer
end

function _M:get_not_before()
  return self.facts.not_before
end

function _M:get_not_after()
  return self.facts.not_after
end

function _M:get_lifetime()
  return self.facts.not_before, self.facts.not_after
end

function _M:get_ca()
  return self.facts.is_ca
end

function _M:get_pubkey()
  return pkey.new(self.facts.public_key)
end

-- The serial number, with the conversions of resty.openssl.bn.
function _M:get_serial_number()
  local hex = self.facts.serial
  return {
    to_hex = function() return hex end,
    to_binary = function()
      return (gsub(hex, "%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
    end,
  }
end

function _M:get_subject_alt_name()
  return self.facts.alternative_names
end

function _M:digest(algorithm)
  return native.digest(algorithm or "sha1", self.facts.der)
end

function _M:pubkey_digest(algorithm)
  return native.digest(algorithm or "sha1", self.facts.public_key)
end

function _M:tostring(format)
  if format == "DER" then
    return self.facts.der
  end
  local text = gsub(encode_base64(self.facts.der), ("."):rep(64), "%0\n")
  return "-----BEGIN CERTIFICATE-----\n" .. gsub(text, "\n$", "") .. "\n-----END CERTIFICATE-----\n"
end

function _M:to_PEM()
  return self:tostring("PEM")
end

return _M
