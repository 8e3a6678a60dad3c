-- Universally unique identifiers.

local native = require "kong.native"

local type = type
local find = string.find

local HEX = "%x%x%x%x"
local UUID = ("^%s%s%%-%s%%-%s%%-%s%%-%s%s%s$"):format(HEX, HEX, HEX, HEX, HEX, HEX, HEX, HEX)

local _M = { uuid = native.uuid }


-- Whether a value is a UUID as text, in either case.
function _M.is_valid_uuid(value)
  return type(value) == "string" and #value == 36 and find(value, UUID) ~= nil
end


return _M
