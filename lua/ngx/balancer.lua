-- ngx.balancer: choosing the peer is the gateway's own; plugins have no phase in which they may.
local ngx = ngx
local error, ipairs = error, ipairs

local _M = { version = "0.1.29" }

local function refuse()
  if ngx.get_phase() == "init" then
    error("no request found", 3)
  end
  return nil, "API disabled in the current context"
end

for _, name in ipairs {
  "bind_to_local_addr", "enable_keepalive", "get_last_failure", "recreate_request", "set_current_peer",
  "set_more_tries", "set_timeouts", "set_upstream_tls",
} do
  _M[name] = function()
    return refuse()
  end
end

return _M
