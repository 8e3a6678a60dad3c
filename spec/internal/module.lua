-- Loading modules anew.

local environment = require "spec.internal.environment"

local _M = {}


function _M.reload(name)
  package.loaded[name] = nil
  return require(name)
end


-- The helpers for another router flavor, on which the schema of routes depends.
function _M.reload_helpers(flavor)
  environment.setenv("KONG_ROUTER_FLAVOR", flavor)
  require("kong.native").set_router_flavor(flavor)
  for name in pairs(package.loaded) do
    if name:find("^spec%.internal") or name:find("^kong%.db%.schema") and name ~= "kong.db.schema.native" then
      package.loaded[name] = nil
    end
  end
  local helpers = _M.reload("spec.helpers")
  environment.unsetenv("KONG_ROUTER_FLAVOR")
  return helpers
end


return _M
