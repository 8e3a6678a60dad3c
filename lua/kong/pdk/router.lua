-- kong.router: what the request matched.

local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local check_phase = phase_checker.check

local PHASES = phase_checker.phases
local ROUTED = phase_checker.new(PHASES.access, PHASES.header_filter, PHASES.response,
                                 PHASES.body_filter, PHASES.log)

local _ROUTER = {}


function _ROUTER.get_route()
  check_phase(ROUTED)
  return ngx.ctx.route
end


function _ROUTER.get_service()
  check_phase(ROUTED)
  return ngx.ctx.service
end


return { new = function() return _ROUTER end }
