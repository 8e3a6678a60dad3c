-- How passwords are kept: the hexadecimal SHA-1 of the password followed by its owner's id.

local sha1 = require "resty.sha1"
local to_hex = require("resty.string").to_hex

local null = ngx.null

local _M = {}


function _M.hash(consumer_id, password)
  local digest = sha1:new()
  if password and password ~= null then
    digest:update(password)
  end
  digest:update(consumer_id)
  return to_hex(digest:final())
end


return _M
