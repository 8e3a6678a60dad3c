-- What counters are called: by all policies alike.

local fmt = string.format
local null = ngx.null

local EMPTY_UUID = "00000000-0000-0000-0000-000000000000"

local _M = {}


local function present(id)
  return id and id ~= null and id or EMPTY_UUID
end


-- The ids of service and route that a counter belongs to; zeros where the plugin has none.
function _M.owners(conf)
  return present(conf.service_id), present(conf.route_id)
end


-- The name of a counter: Kong's, so that both count in the same Redis, and what reads these names finds them.
function _M.name(conf, identifier, period, began)
  return "ratelimit:" .. present(conf.route_id) .. ":" .. present(conf.service_id) .. ":"
         .. identifier .. ":" .. fmt("%d", began) .. ":" .. period
end


return _M
