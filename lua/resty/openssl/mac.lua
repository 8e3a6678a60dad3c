-- resty.openssl.mac: message authentication codes; HMAC is the one there is.
local hmac = require "resty.openssl.hmac"

local tostring = tostring

local _M = { istype = hmac.istype }

function _M.new(key, kind, _, algorithm)
  if kind ~= "HMAC" then
    return nil, "mac.new: invalid mac type \"" .. tostring(kind) .. "\""
  end
  local mac = hmac.new(key, algorithm or "sha1")
  if not mac then
    return nil, "mac.new: invalid cipher or digest type \"" .. tostring(algorithm) .. "\""
  end
  return mac
end

return _M
