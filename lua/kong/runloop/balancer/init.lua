--- What plugins ask of the balancer.

local native = require "kong.native"
local upstreams = require "kong.runloop.balancer.upstreams"

local _M = {
  get_all_upstreams = upstreams.get_all_upstreams,
  get_upstream_by_id = upstreams.get_upstream_by_id,
  get_upstream_by_name = upstreams.get_upstream_by_name,
}


--- The health of an upstream's targets, by target: their addresses, and the health of each.
-- @return nil and an error where it is not known
function _M.get_upstream_health(id)
  local upstream, err = upstreams.get_upstream_by_id(id)
  if not upstream then
    return nil, err or "upstream not found"
  end
  return native.upstream_health(upstream.name)
end


return _M
