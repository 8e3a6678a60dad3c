-- Fields of a header of its own each, as B3 and OpenTracing have them.

local kong = kong
local find = string.find

local MEANINGS = { ["1"] = true, ["true"] = true, ["0"] = false, ["false"] = false }

local _M = {}


-- An id in hexadecimal digits; nil and true where it is not of a right length. `long` is another length.
function _M.id(headers, name, short, long)
  local value = headers[name]
  if value and (#value ~= short and #value ~= long or find(value, "%X")) then
    kong.log.warn(name .. " header invalid; ignoring.")
    return nil, true
  end
  return value, false
end


function _M.sampled(headers, name)
  local value = headers[name]
  if value ~= nil and MEANINGS[value] == nil then
    kong.log.warn(name .. " header invalid; ignoring.")
  end
  return MEANINGS[value]
end


return _M
