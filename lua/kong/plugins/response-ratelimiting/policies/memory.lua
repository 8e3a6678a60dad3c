-- The policy `local`: counters in the memory that the workers of this node share.

local counter = require "kong.plugins.response-ratelimiting.policies.counter"
local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong, ngx = kong, ngx
local pairs = pairs
local counters = ngx.shared.kong_rate_limiting_counters

local _M = {}


function _M.usage(conf, identifier, name, period, now)
  local began = timestamp.periods_at(now)[period]
  local count, err = counters:get(counter.name(conf, identifier, name, period, began))
  if err then
    return nil, err
  end
  return count or 0
end


function _M.increment(conf, identifier, name, now, value)
  for period, began in pairs(timestamp.periods_at(now)) do
    local key = counter.name(conf, identifier, name, period, began)
    local counted, err = counters:incr(key, value, 0, expiration[period])
    if not counted then
      kong.log.err("could not increment counter for period '", period, "': ", err)
      return nil, err
    end
  end
  return true
end


return _M
