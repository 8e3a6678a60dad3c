--- There is always the workspace `default`, which everything belongs to that names none.

local constants = require "kong.constants"

local DEFAULT = { id = constants.DECLARATIVE_DEFAULT_WORKSPACE_ID, name = "default" }

local _M = {}


--- Removes all workspaces but the default one.
function _M:truncate()
  local ok, err, err_t = self.super.truncate(self)
  if not ok or self.db.strategy == "off" then
    return ok, err, err_t
  end
  return self:insert(DEFAULT)
end


return _M
