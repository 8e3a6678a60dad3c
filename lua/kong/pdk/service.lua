-- kong.service: where the request goes.

local kong_tls = require "resty.kong.tls"
local native = require "kong.native"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local error, floor, pairs, type = error, math.floor, pairs, type
local check_phase = phase_checker.check

local PHASES = phase_checker.phases
local UNTIL_BALANCER = phase_checker.new(PHASES.rewrite, PHASES.access, PHASES.balancer, PHASES.preread)

local _SERVICE = {}


-- Throws, in the name of the caller's caller, unless the value is an integer in the range.
local function check_integer(name, value, least, most)
  if type(value) ~= "number" or floor(value) ~= value then
    error(name .. " must be an integer", 3)
  elseif value < least or value > most then
    error(name .. " must be an integer between " .. least .. " and " .. most .. ": given " .. value, 3)
  end
end


function _SERVICE.set_upstream(host)
  check_phase(PHASES.access)
  if type(host) ~= "string" then
    error("host must be a string", 2)
  elseif not kong.db.upstreams:select_by_name(host) then
    return nil, "could not find an Upstream named '" .. host .. "'"
  end
  ngx.ctx.balancer_data.host = host
  return true
end


function _SERVICE.set_target(host, port)
  check_phase(UNTIL_BALANCER)
  if type(host) ~= "string" then
    error("host must be a string", 2)
  end
  check_integer("port", port, 0, 65535)
  native.upstream_set("host_header", host)
  local data = ngx.ctx.balancer_data
  data.host, data.port = host, port
end


function _SERVICE.set_target_retry_callback(retry_callback)
  check_phase(PHASES.access)
  if type(retry_callback) ~= "function" then
    error("retry_callback must be a function", 2)
  end
  ngx.ctx.balancer_data.retry_callback = retry_callback
end


function _SERVICE.set_retries(retries)
  check_phase(PHASES.access)
  check_integer("retries", retries, 0, 32767)
  ngx.ctx.balancer_data.retries = retries
end


function _SERVICE.set_timeouts(connect_timeout, write_timeout, read_timeout)
  check_phase(PHASES.access)
  check_integer("connect_timeout", connect_timeout, 1, 2147483646)
  check_integer("write_timeout", write_timeout, 1, 2147483646)
  check_integer("read_timeout", read_timeout, 1, 2147483646)
  local data = ngx.ctx.balancer_data
  data.connect_timeout, data.write_timeout, data.read_timeout = connect_timeout, write_timeout, read_timeout
end


-- What ngx.ssl parsed is an object of the host's; cdata of a plugin's own is refused later.
local function is_parsed(value)
  local kind = type(value)
  return kind == "cdata" or kind == "userdata" and value ~= ngx.null
end


function _SERVICE.set_tls_cert_key(chain, key)
  check_phase(UNTIL_BALANCER)
  if not is_parsed(chain) then
    error("chain must be a parsed cdata object", 2)
  elseif not is_parsed(key) then
    error("key must be a parsed cdata object", 2)
  end
  return kong_tls.set_upstream_cert_and_key(chain, key)
end


function _SERVICE.set_tls_verify(on)
  check_phase(UNTIL_BALANCER)
  if type(on) ~= "boolean" then
    error("argument must be a boolean", 2)
  end
  return kong_tls.set_upstream_ssl_verify(on)
end


function _SERVICE.set_tls_verify_depth(depth)
  check_phase(UNTIL_BALANCER)
  if type(depth) ~= "number" then
    error("argument must be a number", 2)
  end
  return kong_tls.set_upstream_ssl_verify_depth(depth)
end


function _SERVICE.set_tls_verify_store(store)
  check_phase(UNTIL_BALANCER)
  if type(store) ~= "table" then
    error("argument must be a resty.openssl.x509.store object", 2)
  end
  return kong_tls.set_upstream_ssl_trusted_store(store)
end


return {
  -- A table for each PDK: `request` and `response` are put into it.
  new = function()
    local namespace = {}
    for name, func in pairs(_SERVICE) do
      namespace[name] = func
    end
    return namespace
  end,
}
