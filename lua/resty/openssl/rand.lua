-- resty.openssl.rand: random bytes.
local bytes = require("resty.random").bytes

return {
  bytes = function(length)
    return bytes(length, true)
  end,
}
