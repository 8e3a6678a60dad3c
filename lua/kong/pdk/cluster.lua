-- kong.cluster: the identity that all nodes share.

local KEY = require("kong.constants").CLUSTER_ID_PARAM_KEY

local function fetch()
  local row, err = kong.db.parameters:select { key = KEY }
  if not row then
    return nil, err
  end
  return row.value
end

local _CLUSTER = {}


function _CLUSTER.get_id()
  local id, err = kong.core_cache:get(KEY, nil, fetch)
  if err then
    return nil, err
  end
  return id
end


return { new = function() return _CLUSTER end }
