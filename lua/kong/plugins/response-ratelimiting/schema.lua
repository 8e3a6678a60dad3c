local rate_limiting = require "kong.tools.rate_limiting"
local redis = require "kong.tools.redis.schema"
local typedefs = require "kong.db.schema.typedefs"

local function check_order(limits)
  local disorder = rate_limiting.disorder(limits)
  if disorder then
    return nil, "the " .. disorder
  end
  return true
end

local function flag(default, description)
  return { description = description, type = "boolean", required = true, default = default }
end

local periods = {}
for i, period in ipairs(rate_limiting.PERIODS) do
  periods[i] = { [period] = { type = "number", gt = 0 } }
end

local config = {
  type = "record",
  fields = {
    { header_name = {
        description = "The header of responses that tells what they use up.",
        type = "string", default = "x-kong-limit",
    } },
    { limit_by = {
        description = "What use is counted by; the client's address where there is none of it.",
        type = "string", default = "consumer", one_of = { "consumer", "credential", "ip" },
    } },
    { policy = {
        description = "Where counters live: in this node, in the database, or in Redis.",
        type = "string", default = "local", one_of = rate_limiting.policies(),
    } },
    { fault_tolerant = flag(true, "Whether requests are let through while counters cannot be reached.") },
    { redis = redis.config_schema },
    { block_on_first_violation = flag(false,
        "Whether requests are refused as soon as one limit is reached, whatever they would use up.") },
    { hide_client_headers = flag(false, "Whether responses go without the headers that tell the limits.") },
    { limits = {
        description = "Limits by name, each with how much may be used up in a period.",
        type = "map", required = true, len_min = 1,
        keys = { type = "string" },
        values = {
          type = "record", required = true, fields = periods, custom_validator = check_order,
          entity_checks = { { at_least_one_of = rate_limiting.PERIODS } },
        },
    } },
  },
  shorthand_fields = rate_limiting.old_redis_fields "response-ratelimiting",
}

local checks = {}
for i, needed in ipairs { "host", "port", "timeout" } do
  checks[i] = { conditional = {
    if_field = "config.policy", if_match = { eq = "redis" },
    then_field = "config.redis." .. needed, then_match = { required = true },
  } }
end

return {
  name = "response-ratelimiting",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = checks,
}
