-- Random bytes and text.

local native = require "kong.native"

local char, gsub = string.char, string.gsub
local random = math.random

local _M = {}


-- `count` bytes of the system's generator. Both sources of Kong are one here; the second argument
-- is taken and has no effect.
function _M.get_rand_bytes(count)
  return native.random_bytes(count)
end


-- 32 random letters and digits.
function _M.random_string()
  local text = ngx.encode_base64(native.random_bytes(24), true)
  text = gsub(text, "/", function() return char(random(65, 90)) end)
  return (gsub(text, "%+", function() return char(random(97, 122)) end))
end


return _M
