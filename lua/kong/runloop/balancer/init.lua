--- What plugins ask of the balancer.

local upstreams = require "kong.runloop.balancer.upstreams"

local _M = {
  get_all_upstreams = upstreams.get_all_upstreams,
  get_upstream_by_id = upstreams.get_upstream_by_id,
  get_upstream_by_name = upstreams.get_upstream_by_name,
}


-- Whether any check of an upstream can ever change an address's health.
local function is_checked(upstream)
  local checks = upstream.healthchecks or {}
  local active, passive = checks.active or {}, checks.passive or {}
  local healthy, unhealthy = active.healthy or {}, active.unhealthy or {}
  local failures = passive.unhealthy or {}
  return (healthy.interval or 0) > 0 or (unhealthy.interval or 0) > 0 or (failures.tcp_failures or 0) > 0
         or (failures.timeouts or 0) > 0 or (failures.http_failures or 0) > 0
end


--- The health of an upstream's targets, by target: of upstreams without checks, that there are none.
function _M.get_upstream_health(id)
  local upstream, err = upstreams.get_upstream_by_id(id)
  if not upstream then
    return nil, err or "balancer not found"
  elseif is_checked(upstream) then
    return nil, "the health of checked upstreams is not told to plugins"
  end
  local health = {}
  for target, problem in kong.db.targets:each_for_upstream({ id = id }) do
    if not target then
      return nil, problem
    end
    health[target.target] = { health = "HEALTHCHECKS_OFF", addresses = {} }
  end
  return health
end


return _M
