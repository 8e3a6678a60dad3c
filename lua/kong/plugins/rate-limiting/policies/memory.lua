-- The policy `local`: counters in the memory that the workers of this node share.

local counter = require "kong.plugins.rate-limiting.policies.counter"
local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong, ngx = kong, ngx
local counters = ngx.shared.kong_rate_limiting_counters

local _M = {}


function _M.usage(conf, identifier, period, current_timestamp)
  local began = timestamp.periods_at(current_timestamp)[period]
  local count, err = counters:get(counter.name(conf, identifier, period, began))
  if err then
    return nil, err
  end
  return count or 0
end


local function count(conf, limits, period, identifier, began, value)
  if not limits[period] then
    return true
  end
  local name = counter.name(conf, identifier, period, began[period])
  local counted, err = counters:incr(name, value, 0, expiration[period])
  if not counted then
    kong.log.err("could not increment counter for period '", period, "': ", err)
    return nil, err
  end
  return true
end


-- Written out, since a loop of so few rounds would keep the access phase from being compiled.
function _M.increment(conf, limits, identifier, current_timestamp, value)
  local began = timestamp.periods_at(current_timestamp)
  local ok, err = count(conf, limits, "second", identifier, began, value)
  if ok then ok, err = count(conf, limits, "minute", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "hour", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "day", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "month", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "year", identifier, began, value) end
  return ok, err
end


return _M
