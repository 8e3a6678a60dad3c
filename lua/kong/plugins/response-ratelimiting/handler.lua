-- response-ratelimiting: limits what responses use up of something, which the upstream tells in a header.

local kong_meta = require "kong.meta"
local policies = require "kong.plugins.response-ratelimiting.policies"
local rate_headers = require "kong.pdk.private.rate_limiting"
local string_tools = require "kong.tools.string"
local timestamp = require "kong.tools.timestamp"

local kong, ngx = kong, ngx
local error, ipairs, max, next, pairs, tonumber, tostring, type =
  error, ipairs, math.max, next, pairs, tonumber, tostring, type
local split, strip = string_tools.split, string_tools.strip
local store = rate_headers.store_response_header

local LIMIT, REMAINING = "X-RateLimit-Limit-", "X-RateLimit-Remaining-"

local ResponseRateLimiting = {
  VERSION = kong_meta.version,
  PRIORITY = 900,
}


local function identifier_of(conf)
  local credential = kong.client.get_credential()
  local who = credential
  if conf.limit_by == "consumer" then
    who = kong.client.get_consumer() or credential
  elseif conf.limit_by ~= "credential" then
    who = nil
  end
  return who and who.id or kong.client.get_forwarded_ip()
end


-- What is left: name of a limit → period → number. nil and an error when the counters cannot be read.
local function measure(conf, identifier, now)
  local policy, left = policies[conf.policy], {}
  for name, limits in pairs(conf.limits) do
    left[name] = {}
    for period, limit in pairs(limits) do
      local used, err = policy.usage(conf, identifier, name, period, now)
      if err then
        return nil, err
      end
      left[name][period] = limit - used
    end
  end
  return left
end


-- Tells the least that is left of each limit; with `block_on_first_violation`, answers one that is used up.
local function tell_least(conf, left)
  local ctx = ngx.ctx
  for name, periods in pairs(left) do
    local least
    for _, remaining in pairs(periods) do
      if remaining == 0 and conf.block_on_first_violation then
        return name
      end
      least = (not least or remaining < least) and remaining or least
    end
    store(ctx, REMAINING .. name, least)
  end
  rate_headers.apply_response_headers(ctx)
end


function ResponseRateLimiting:access(conf)
  if not next(conf.limits) then
    return
  end
  local identifier, now = identifier_of(conf), timestamp.get_utc()
  local left, err = measure(conf, identifier, now)
  if not left then
    if not conf.fault_tolerant then
      return error(err)
    end
    return kong.log.err("failed to get usage: ", tostring(err))
  end

  local exhausted = tell_least(conf, left)
  if exhausted then
    return kong.response.error(429, "API rate limit exceeded for '" .. exhausted .. "'")
  end
  local state = kong.ctx.plugin
  state.identifier, state.now, state.left = identifier, now, left
end


-- What a response uses up, by name: `video=1, sms=2`, of those names that are limited.
local function parse(value, limits)
  local uses = {}
  local parts = type(value) == "table" and value or value and split(value, ",") or {}
  for _, part in ipairs(parts) do
    local pair = split(part, "=")
    local name = strip(pair[1])
    if #pair == 2 and limits[name] then
      uses[name] = tonumber(strip(pair[2]))
    end
  end
  return uses
end


-- Tells limits and what is left after this response. Answers whether it uses more than there is.
local function tell_all(conf, left, uses)
  local ctx, exceeded = ngx.ctx, false
  for name, periods in pairs(left) do
    local use = uses[name] or 0
    for period, remaining in pairs(periods) do
      if not conf.hide_client_headers then
        local suffix = name .. "-" .. period
        store(ctx, LIMIT .. suffix, conf.limits[name][period])
        store(ctx, REMAINING .. suffix, max(0, remaining - use))
      end
      exceeded = exceeded or use > 0 and remaining <= 0
    end
  end
  rate_headers.apply_response_headers(ctx)
  return exceeded
end


function ResponseRateLimiting:header_filter(conf)
  local state = kong.ctx.plugin
  if not state.left then
    return
  end
  local uses = parse(kong.service.response.get_header(conf.header_name), conf.limits)
  local exceeded = tell_all(conf, state.left, uses)
  kong.response.clear_header(conf.header_name)
  if exceeded then
    return kong.response.exit(429)
  end
  state.uses = uses
end


local function count(premature, conf, identifier, now, uses)
  for name, use in pairs(premature and {} or uses) do
    if use ~= 0 then
      policies[conf.policy].increment(conf, identifier, name, now, use)
    end
  end
end


function ResponseRateLimiting:log(conf)
  local state = kong.ctx.plugin
  if not state.uses then
    return
  end
  local ok, err = ngx.timer.at(0, count, conf, state.identifier, state.now, state.uses)
  if not ok then
    kong.log.err("failed to create timer: ", err)
  end
end


return ResponseRateLimiting
