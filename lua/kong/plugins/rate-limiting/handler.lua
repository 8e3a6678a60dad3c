-- rate-limiting: so many requests a second, minute, hour, day, month or year, for each consumer,
-- credential, address, service, header or path.

local each = require "kong.pdk.private.each"
local expiration = require "kong.plugins.rate-limiting.expiration"
local kong_meta = require "kong.meta"
local policies = require "kong.plugins.rate-limiting.policies"
local rate_headers = require "kong.pdk.private.rate_limiting"
local timestamp = require "kong.tools.timestamp"

local kong, ngx = kong, ngx
local error, floor, ipairs, max, setmetatable, tostring =
  error, math.floor, ipairs, math.max, setmetatable, tostring
local store = rate_headers.store_response_header

local PERIODS = {}
for i, name in ipairs { "Second", "Minute", "Hour", "Day", "Month", "Year" } do
  PERIODS[i] = {
    name = name:lower(),
    limit_header = "X-RateLimit-Limit-" .. name,
    remaining_header = "X-RateLimit-Remaining-" .. name,
  }
end

local RateLimiting = {
  VERSION = kong_meta.version,
  PRIORITY = 910,
}


local identify = {
  service = function()
    local service = kong.router.get_service()
    return service and service.id
  end,
  consumer = function()
    local who = kong.client.get_consumer() or kong.client.get_credential()
    return who and who.id
  end,
  credential = function()
    local credential = kong.client.get_credential()
    return credential and credential.id
  end,
  header = function(conf)
    return kong.request.get_header(conf.header_name)
  end,
  path = function(conf)
    local path = kong.request.get_path()
    return path == conf.path and path or nil
  end,
  ip = function() end,
}


local function identifier_of(conf)
  return identify[conf.limit_by](conf) or kong.client.get_forwarded_ip()
end


-- The periods that a configuration limits, in order, with the limit of each by its name: computed
-- once, since most configurations limit one period of the six.
local limits_by_conf = setmetatable({}, { __mode = "k" })

local function limits_of(conf)
  local known = limits_by_conf[conf]
  if not known then
    known = { periods = {}, limits = {} }
    for _, period in ipairs(PERIODS) do
      if conf[period.name] then
        known.periods[#known.periods + 1] = period
        known.limits[period.name] = conf[period.name]
      end
    end
    limits_by_conf[conf] = known
  end
  return known.periods, known.limits
end


-- Notes what remains in a period, and the period if its limit is reached. Answers an error, if any.
local function measure(period, tally)
  local name = period.name
  local used, err = tally.usage(tally.conf, tally.identifier, name, tally.now)
  if err then
    return err
  end
  local remaining = tally.limits[name] - used
  tally[period] = remaining
  if remaining <= 0 then
    tally.exhausted = period
  end
end


local function tell(ctx, name, value)
  store(ctx, name, value)
  ngx.header[name] = tostring(value)
end


-- Writes the headers of a period, and notes the one closest to its limit; the longer one of two.
local function tell_period(period, tally, ctx)
  local exhausted = tally.exhausted
  local counted = (exhausted == nil or exhausted == period) and 1 or 0
  local left = max(0, tally[period] - counted)
  if tally.least == nil or left <= tally.least then
    tally.tightest, tally.least = period, left
  end
  tell(ctx, period.limit_header, tally.limits[period.name])
  tell(ctx, period.remaining_header, left)
end


-- Seconds until a period ends, at least one.
local function seconds_left(period, now)
  local began = timestamp.periods_at(now)[period]
  return max(1, expiration[period] - floor((now - began) / 1000))
end


-- Writes the headers of every period, and the general ones of the period closest to its limit.
local function tell_all(ctx, periods, tally)
  each(periods, tell_period, tally, ctx)
  local name = tally.tightest.name
  local reset = seconds_left(name, tally.now)
  tell(ctx, "RateLimit-Limit", tally.limits[name])
  tell(ctx, "RateLimit-Remaining", tally.least)
  tell(ctx, "RateLimit-Reset", reset)
  if tally.exhausted then
    tell(ctx, "Retry-After", reset)
  end
end


local function increment(premature, policy, conf, limits, identifier, now)
  if not premature then
    policy.increment(conf, limits, identifier, now, 1)
  end
end


function RateLimiting:access(conf)
  local policy, now = policies[conf.policy], ngx.time() * 1000
  local identifier = identifier_of(conf)
  local periods, limits = limits_of(conf)
  local tally = { conf = conf, identifier = identifier, now = now, limits = limits, usage = policy.usage }

  local err = each(periods, measure, tally)
  if err then
    if not conf.fault_tolerant then
      return error(err)
    end
    kong.log.err("failed to get usage: ", tostring(err))
  else
    if periods[1] and not conf.hide_client_headers then
      tell_all(ngx.ctx, periods, tally)
    end
    if tally.exhausted then
      return kong.response.error(conf.error_code, conf.error_message)
    end
  end
  if not policy.waits then
    policy.increment(conf, limits, identifier, now, 1)
    return
  end
  local ok
  ok, err = ngx.timer.at(0, increment, policy, conf, limits, identifier, now)
  if not ok then
    kong.log.err("failed to create timer: ", err)
  end
end


return RateLimiting
