-- What plugins share that have a function of a cloud answer in place of the upstream.

local constants = require "kong.constants"
local kong_meta = require "kong.meta"

local kong = kong
local pairs = pairs

local VIA = constants.HEADERS.VIA

-- Of one connection only (RFC 9110, 7.6.1): the client's is another.
local CONNECTION = { "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Transfer-Encoding" }

local _M = {}


-- Makes a function's headers ones that the client can have. In Kong the version in `Via` is 2 whatever the
-- client speaks.
function _M.fit_headers(headers)
  for _, name in pairs(CONNECTION) do
    headers[name] = nil
  end
  if kong.configuration.enabled_headers[VIA] then
    local own = "2 " .. kong_meta._SERVER_TOKENS
    headers[VIA] = headers[VIA] and headers[VIA] .. ", " .. own or own
  end
  return headers
end


return _M
