-- resty.openssl.kdf: keys from passwords (PBKDF2) and from secrets (HKDF).
local native = require "resty.openssl.native"

local _M = { PBKDF2 = 1034, HKDF = 1036 }

function _M.derive(options)
  local kind, digest = options.type, options.md or "sha1"
  if kind == _M.PBKDF2 then
    local iterations = options.pbkdf2_iter or 1
    return native.pbkdf2(digest, options.pass or "", options.salt or "", iterations, options.outlen)
  end
  if kind == _M.HKDF then
    local key, info = options.hkdf_key or "", options.hkdf_info or ""
    return native.hkdf(digest, key, options.salt or "", info, options.outlen)
  end
  return nil, "kdf.derive: this kind of derivation is not supported"
end

return _M
