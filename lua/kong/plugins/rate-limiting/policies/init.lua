-- Where counters live. Each policy has
--   usage(conf, identifier, period, timestamp)               → requests counted in the period so far
--   increment(conf, limits, identifier, timestamp, value)    → counts a request in all periods
-- and answers nil and an error text when its store cannot be used.

local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong, ngx = kong, ngx
local EMPTY_UUID = "00000000-0000-0000-0000-000000000000"

local counters = ngx.shared.kong_rate_limiting_counters


local function present(id)
  return id and id ~= ngx.null and id or EMPTY_UUID
end


-- Kong's names, so that what reads its shared dictionary finds them.
local function counter_name(conf, identifier, period, began)
  return "ratelimit:" .. present(conf.route_id) .. ":" .. present(conf.service_id) .. ":"
         .. identifier .. ":" .. ("%d"):format(began) .. ":" .. period
end


local in_memory = {}

function in_memory.usage(conf, identifier, period, current_timestamp)
  local began = timestamp.periods_at(current_timestamp)[period]
  local count, err = counters:get(counter_name(conf, identifier, period, began))
  if err then
    return nil, err
  end
  return count or 0
end

local function count(conf, limits, period, identifier, began, value)
  if not limits[period] then
    return true
  end
  local name = counter_name(conf, identifier, period, began[period])
  local counted, err = counters:incr(name, value, 0, expiration[period])
  if not counted then
    kong.log.err("could not increment counter for period '", period, "': ", err)
    return nil, err
  end
  return true
end

-- Written out, since a loop of so few rounds would keep the access phase from being compiled.
function in_memory.increment(conf, limits, identifier, current_timestamp, value)
  local began = timestamp.periods_at(current_timestamp)
  local ok, err = count(conf, limits, "second", identifier, began, value)
  if ok then ok, err = count(conf, limits, "minute", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "hour", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "day", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "month", identifier, began, value) end
  if ok then ok, err = count(conf, limits, "year", identifier, began, value) end
  return ok, err
end


-- A policy whose store this gateway does not speak to yet: every use of it says so.
local function unavailable(name)
  local function refuse()
    return nil, "the '" .. name .. "' policy of rate-limiting is not available in this version"
  end
  return { usage = refuse, increment = refuse }
end


return {
  ["local"] = in_memory,
  cluster = unavailable "cluster",
  redis = unavailable "redis",
}
