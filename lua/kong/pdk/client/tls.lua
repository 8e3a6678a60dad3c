-- kong.client.tls: the client's side of TLS.

local kong_tls = require "resty.kong.tls"
local ngx_ssl = require "ngx.ssl"
local phase_checker = require "kong.pdk.private.phases"

local assert, error, find, tostring, type = assert, error, string.find, tostring, type
local check_phase = phase_checker.check

local PHASES = phase_checker.phases
local BEFORE_LOG = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.response, PHASES.balancer)
local AND_LOG = phase_checker.new(BEFORE_LOG, PHASES.log)


local function new()
  local namespace = {}


  function namespace.request_client_certificate(ca_certs)
    check_phase(PHASES.certificate)
    -- Only authorities that signed the client's certificate themselves are meant.
    return ngx_ssl.verify_client(ca_certs, 0)
  end


  function namespace.disable_session_reuse()
    check_phase(PHASES.certificate)
    return kong_tls.disable_session_reuse()
  end


  function namespace.get_full_client_certificate_chain()
    check_phase(AND_LOG)
    return kong_tls.get_full_client_certificate_chain()
  end


  function namespace.set_client_verify(v)
    check_phase(BEFORE_LOG)
    assert(type(v) == "string")
    if v ~= "SUCCESS" and v ~= "NONE" and not find(v, "^FAILED:") then
      error("unknown client verify value: " .. tostring(v) .. " accepted values are: \"SUCCESS\", \"NONE\""
            .. " or \"FAILED:<reason>\"", 2)
    end
    ngx.ctx.CLIENT_VERIFY_OVERRIDE = v
  end


  function namespace.disable_http2_alpn()
    check_phase(PHASES.client_hello)
    return kong_tls.disable_http2_alpn()
  end


  return namespace
end


return { new = new }
