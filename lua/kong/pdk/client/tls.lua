-- kong.client.tls: the client's side of TLS.

local native = require "kong.native"
local phase_checker = require "kong.pdk.private.phases"

local assert, error, find, tostring, type = assert, error, string.find, tostring, type
local check_phase = phase_checker.check

local PHASES = phase_checker.phases
local BEFORE_LOG = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.response, PHASES.balancer)
local AND_LOG = phase_checker.new(BEFORE_LOG, PHASES.log)


local function new()
  local _TLS = {}


  function _TLS.request_client_certificate(ca_certs)
    check_phase(PHASES.certificate)
    return native.request_client_certificate(ca_certs)
  end


  function _TLS.disable_session_reuse()
    check_phase(PHASES.certificate)
    return native.disable_session_reuse()
  end


  function _TLS.get_full_client_certificate_chain()
    check_phase(AND_LOG)
    return native.client_certificate_chain()
  end


  function _TLS.set_client_verify(v)
    check_phase(BEFORE_LOG)
    assert(type(v) == "string")
    if v ~= "SUCCESS" and v ~= "NONE" and not find(v, "^FAILED:") then
      error("unknown client verify value: " .. tostring(v) .. " accepted values are: \"SUCCESS\", \"NONE\""
            .. " or \"FAILED:<reason>\"", 2)
    end
    ngx.ctx.CLIENT_VERIFY_OVERRIDE = v
  end


  function _TLS.disable_http2_alpn()
    check_phase(PHASES.client_hello)
    return nil, "the client_hello phase does not run in this version"
  end


  return _TLS
end


return { new = new }
