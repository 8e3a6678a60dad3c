-- ngx.balancer: choosing the peer is the gateway's own; plugins have no phase in which they may.
local ngx = ngx
local error, ipairs = error, ipairs

local _M = { version = "0.1.28" }

-- Phases in which an upstream is there already.
local LATE = { header_filter = true, body_filter = true, log = true }

local function refuse()
  local phase = ngx.get_phase()
  if phase == "init" then
    error("no request found", 3)
  end
  return nil, LATE[phase] and "API disabled in the current context" or "no upstream found"
end

for _, name in ipairs {
  "bind_to_local_addr", "enable_keepalive", "recreate_request", "set_current_peer",
  "set_more_tries", "set_timeouts", "set_upstream_tls",
} do
  _M[name] = function()
    return refuse()
  end
end

function _M.get_last_failure()
  local _, err = refuse()
  return nil, nil, err
end

return _M
