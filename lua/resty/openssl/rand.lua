-- resty.openssl.rand: random bytes.
local random_bytes = require("resty.random").bytes

local type = type

local function bytes(length)
  if type(length) ~= "number" then
    return nil, "rand.bytes: expect a number at #1"
  end
  return random_bytes(length, true)
end

return { bytes = bytes }
