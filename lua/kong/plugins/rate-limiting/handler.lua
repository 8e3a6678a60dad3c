-- rate-limiting: so many requests a second, minute, hour, day, month or year, for each consumer,
-- credential, address, service, header or path.

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


-- What remains in each limited period; the period whose limit is reached, if one is.
local function remaining_of(conf, periods, limits, identifier, now)
  local usage = policies[conf.policy].usage
  local remaining, exhausted = {}, nil
  for i = 1, #periods do
    local name = periods[i].name
    local used, err = usage(conf, identifier, name, now)
    if err then
      return nil, nil, err
    end
    remaining[name] = limits[name] - used
    if remaining[name] <= 0 then
      exhausted = name
    end
  end
  return remaining, exhausted
end


-- Seconds until a period ends, at least one.
local function seconds_left(period, now)
  local began = timestamp.periods_at(now)[period]
  return max(1, expiration[period] - floor((now - began) / 1000))
end


-- Writes the headers of every period, and the general ones of the period closest to its limit.
-- Returns the seconds until that one begins anew.
local function write_headers(ctx, periods, limits, remaining, exhausted, now)
  local tightest, least
  for i = 1, #periods do
    local period = periods[i]
    local name = period.name
    local counted = (exhausted == nil or exhausted == name) and 1 or 0
    local left = max(0, remaining[name] - counted)
    if not tightest or left <= least then
      tightest, least = name, left
    end
    store(ctx, period.limit_header, limits[name])
    store(ctx, period.remaining_header, left)
  end

  local reset = seconds_left(tightest, now)
  store(ctx, "RateLimit-Limit", limits[tightest])
  store(ctx, "RateLimit-Remaining", least)
  store(ctx, "RateLimit-Reset", reset)
  if exhausted then
    store(ctx, "Retry-After", reset)
  end
  rate_headers.apply_response_headers(ctx)
end


function RateLimiting:access(conf)
  local now = ngx.time() * 1000
  local identifier = identifier_of(conf)
  local periods, limits = limits_of(conf)

  local remaining, exhausted, err = remaining_of(conf, periods, limits, identifier, now)
  if err then
    if not conf.fault_tolerant then
      return error(err)
    end
    kong.log.err("failed to get usage: ", tostring(err))
  end

  if remaining and #periods > 0 and not conf.hide_client_headers then
    write_headers(ngx.ctx, periods, limits, remaining, exhausted, now)
  end
  if exhausted then
    return kong.response.error(conf.error_code, conf.error_message)
  end
  policies[conf.policy].increment(conf, limits, identifier, now, 1)
end


return RateLimiting
