-- Modules that may be missing.

local error, type, xpcall, require = error, type, xpcall, require
local find = string.find

local _M = {}


-- `true` and the module; `false` and why not when it does not exist. A module that exists and fails
-- to load is an error.
function _M.load_module_if_exists(name)
  local loaded, result = xpcall(require, debug.traceback, name)
  if loaded then
    return true, result
  end
  if type(result) == "string" and find(result, "module '" .. name .. "' not found", 1, true) then
    return false, result
  end
  error("error loading module '" .. name .. "':\n" .. tostring(result))
end


return _M
