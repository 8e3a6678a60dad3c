-- resty.openssl.mac: message authentication codes; HMAC is the one there is.
local hmac = require "resty.openssl.hmac"

local _M = { istype = hmac.istype }

function _M.new(key, kind, _, algorithm)
  if kind ~= "HMAC" then
    return nil, "mac.new: invalid mac type \"" .. tostring(kind) .. "\""
  end
  return hmac.new(key, algorithm)
end

return _M
