-- Reading configuration is the gateway's; plugins ask here what of it may be shown.

local native = require "kong.native"

local pairs = pairs

local PLACEHOLDER = "******"

local _M = {}


-- A copy of configuration values with secrets replaced by stars.
function _M.remove_sensitive(values)
  local shown = {}
  for name, value in pairs(values) do
    shown[name] = native.is_sensitive(name) and value ~= "" and PLACEHOLDER or value
  end
  return shown
end


return _M
