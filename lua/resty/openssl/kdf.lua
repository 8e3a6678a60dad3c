-- resty.openssl.kdf: keys from passwords (PBKDF2, scrypt) and from secrets (HKDF).
local native = require "resty.openssl.native"

local format, upper = string.format, string.upper
local error, setmetatable, tostring, type = error, setmetatable, tostring, type

local PBKDF2, SCRYPT, HKDF = 69, 973, 1036
local NAMES = { PBKDF2 = PBKDF2, SCRYPT = SCRYPT, HKDF = HKDF }

local _M = { PBKDF2 = PBKDF2, SCRYPT = SCRYPT, HKDF = HKDF, id_scrypt = SCRYPT }
local mt = { __index = _M }


function _M.derive(options)
  if type(options) ~= "table" then
    error("expect a table at #1", 2)
  end
  local kind, digest, length = options.type, options.md or "sha1", options.outlen
  if kind == nil then
    return nil, "kdf.derive: \"type\" must be set"
  elseif type(kind) ~= "number" then
    return nil, "kdf.derive: expect a number as \"type\""
  elseif length == nil then
    return nil, "kdf.derive: \"outlen\" must be set"
  elseif options.pass ~= nil and type(options.pass) ~= "string" then
    return nil, "kdf.derive: except a string as \"pass\""
  end
  if kind == PBKDF2 then
    local iterations = options.pbkdf2_iter or 1
    if iterations < 1 then
      iterations = 1
    end
    return native.pbkdf2(digest, options.pass or "", options.salt or "", iterations, length)
  elseif kind == HKDF then
    local key, info = options.hkdf_key, options.hkdf_info or ""
    if not key then
      return nil, "kdf.derive: \"hkdf_key\" is required"
    end
    return native.hkdf(digest, key, options.salt or "", info, length)
  elseif kind == SCRYPT then
    local n, r, p = options.scrypt_N, options.scrypt_r, options.scrypt_p
    if not n or not r or not p then
      return nil, "kdf.derive: \"scrypt_N\", \"scrypt_r\" and \"scrypt_p\" are required"
    end
    return native.scrypt(options.pass or "", options.salt or "", n, r, p, options.scrypt_maxmem or 0, length)
  end
  return nil, "kdf.derive: unknown type " .. format("%d", kind)
end


-- The form with an object: `kdf.new("HKDF"):derive(length, { key =, digest =, … })`.
function _M.new(name)
  name = upper(tostring(name))
  if not NAMES[name] then
    return nil, "kdf.new: invalid KDF type \"" .. tostring(name) .. "\""
  end
  return setmetatable({ kind = name }, {
    __index = function(_, field)
      if field == "derive" then
        return function(_, length, given)
          given = given or {}
          return _M.derive {
            type = NAMES[name], outlen = length, md = given.digest, pass = given.pass, salt = given.salt,
            pbkdf2_iter = given.iter, hkdf_key = given.key, hkdf_info = given.info,
            scrypt_N = given.n, scrypt_r = given.r, scrypt_p = given.p, scrypt_maxmem = given.maxmem_bytes,
          }
        end
      end
      if field == "reset" then
        -- nothing is kept from one derivation to the next
        return function() return true end
      end
      return mt.__index[field]
    end,
  })
end


return _M
