-- The tools modules in one table, for plugins written before they were split.

local _M = {}

for _, name in ipairs { "table", "uuid", "rand", "time", "string", "ip", "http", "gzip", "timestamp" } do
  for key, value in pairs(require("kong.tools." .. name)) do
    _M[key] = value
  end
end

_M.load_module_if_exists = require("kong.tools.module").load_module_if_exists

return _M
