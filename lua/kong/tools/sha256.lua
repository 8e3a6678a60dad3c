-- SHA-256 digests in four spellings.

local native = require "kong.native"

local _M = { sha256_bin = native.sha256 }

local function spelled(encode)
  return function(text)
    return encode(native.sha256(text))
  end
end

_M.sha256_hex = spelled(function(digest) return require("resty.string").to_hex(digest) end)
_M.sha256_base64 = spelled(function(digest) return ngx.encode_base64(digest) end)
_M.sha256_base64url = spelled(function(digest) return require("ngx.base64").encode_base64url(digest) end)

return _M
