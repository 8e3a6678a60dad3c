local rate_limiting = require "kong.tools.rate_limiting"
local redis = require "kong.tools.redis.schema"
local typedefs = require "kong.db.schema.typedefs"

local PERIODS = rate_limiting.PERIODS
local SYNC_ALWAYS = -1

local function check_config(config)
  local disorder = rate_limiting.disorder(config)
  if disorder then
    return nil, "The " .. disorder
  elseif config.sync_rate == SYNC_ALWAYS then
    return true
  elseif config.policy ~= "redis" then
    return nil, "sync_rate can only be used with the redis policy"
  elseif config.sync_rate < 0.02 then
    return nil, "sync_rate must be greater than 0.02, or -1 to disable"
  end
  return true
end

local function limit_field(period)
  return { [period] = {
    description = "How many requests are let through in a " .. period .. ".", type = "number", gt = 0,
  } }
end

local function requires(field, value, needed)
  return { conditional = {
    if_field = "config." .. field, if_match = { eq = value },
    then_field = "config." .. needed, then_match = { required = true },
  } }
end

local fields, any_limit = {}, {}
for i, period in ipairs(PERIODS) do
  fields[i], any_limit[i] = limit_field(period), "config." .. period
end

local function add(field)
  fields[#fields + 1] = field
end

add { limit_by = {
  description = "What requests are counted by.",
  type = "string", default = "consumer",
  one_of = { "consumer", "credential", "ip", "service", "header", "path" },
} }
add { header_name = typedefs.header_name }
add { path = typedefs.path }
add { policy = {
  description = "Where counters live: in this node, in the database, or in Redis.",
  type = "string", default = "local", len_min = 0, one_of = rate_limiting.policies(),
} }
add { fault_tolerant = {
  description = "Whether requests are let through while counters cannot be reached.",
  type = "boolean", required = true, default = true,
} }
add { redis = redis.config_schema }
add { hide_client_headers = {
  description = "Whether responses go without the headers that tell the limits.",
  type = "boolean", required = true, default = false,
} }
add { error_code = { description = "Status of a refused request.", type = "number", gt = 0, default = 429 } }
add { error_message = {
  description = "Message of a refused request.", type = "string", default = "API rate limit exceeded",
} }
add { sync_rate = {
  description = "Seconds between two writes to Redis; -1 writes with each request.",
  type = "number", required = true, default = SYNC_ALWAYS,
} }

local config = {
  type = "record",
  fields = fields,
  custom_validator = check_config,
  shorthand_fields = rate_limiting.old_redis_fields "rate-limiting",
}

return {
  name = "rate-limiting",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = {
    { at_least_one_of = any_limit },
    requires("policy", "redis", "redis.host"),
    requires("policy", "redis", "redis.port"),
    requires("policy", "redis", "redis.timeout"),
    requires("limit_by", "header", "header_name"),
    requires("limit_by", "path", "path"),
  },
}
