-- kong.resty.dns.client, which is `kong.dns`: the gateway's resolver, as plugins ask it.

local native = require "kong.native"

local error, type = error, type

local _M = {
  _VERSION = "6.0.2",
  TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_MX = 15, TYPE_TXT = 16,
  TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_SPF = 99,
  -- The type that worked last.
  TYPE_LAST = -1,
}


-- The resolver is set up by kong.conf.
function _M.init()
  return true
end


local function check_name(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'resolve' (string expected, got " .. type(name) .. ")", 3)
  end
end


--- The records of a name: of a type, given as a number or as `{ qtype = … }`, or of the first in `dns_order`
-- that has some. With `cache_only` nobody is asked.
-- @return a list of records; or nil, why not, and what was tried
function _M.resolve(name, options, cache_only)
  check_name(name)
  local kind = options
  if type(options) == "table" then
    kind = options.qtype
  end
  return native.dns_resolve(name, kind, cache_only)
end


--- An address of a name, and the port: that of an SRV record, or the one given.
-- @return address and port; or nil, why not, and what was tried
function _M.toip(name, port, cache_only)
  check_name(name)
  return native.dns_to_ip(name, port, cache_only)
end


--- How often this worker asked for each name, by `name:TYPE`, and what came of it.
function _M.stats()
  return native.dns_stats()
end


return _M
