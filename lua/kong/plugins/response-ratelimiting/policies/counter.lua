-- What all policies know counters by.

local owners = require("kong.plugins.rate-limiting.policies.counter").owners

local fmt = string.format

local _M = {}


-- The name of a counter: Kong's, so that both count in the same Redis.
function _M.name(conf, identifier, limit, period, began)
  local service_id, route_id = owners(conf)
  return fmt("response-ratelimit:%s:%s:%s:%s:%s:%s", route_id, service_id, identifier, began, limit, period)
end


return _M
