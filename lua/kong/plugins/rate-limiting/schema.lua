local redis = require "kong.tools.redis.schema"
local typedefs = require "kong.db.schema.typedefs"

local PERIODS = { "second", "minute", "hour", "day", "month", "year" }
local SYNC_ALWAYS = -1

-- A limit must not be lower than that of a shorter period.
local function check_order(config)
  for i, shorter in ipairs(PERIODS) do
    local least = tonumber(config[shorter])
    for j = least and i + 1 or #PERIODS + 1, #PERIODS do
      local limit = config[PERIODS[j]]
      if type(limit) == "number" and limit < least then
        return nil, ("The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)")
                    :format(PERIODS[j], limit, shorter, least)
      end
    end
  end
  return true
end

local function check_config(config)
  local ordered, err = check_order(config)
  if not ordered then
    return nil, err
  elseif config.sync_rate == SYNC_ALWAYS then
    return true
  elseif config.policy ~= "redis" then
    return nil, "sync_rate can only be used with the redis policy"
  elseif config.sync_rate < 0.02 then
    return nil, "sync_rate must be greater than 0.02, or -1 to disable"
  end
  return true
end

-- Without a database there is nothing that nodes could count in together.
local function policies()
  local configuration = kong and kong.configuration or {}
  if configuration.database == "off" or configuration.role == "control_plane" then
    return { "local", "redis" }
  end
  return { "local", "cluster", "redis" }
end

local function limit_field(period)
  return { [period] = {
    description = "How many requests are let through in a " .. period .. ".", type = "number", gt = 0,
  } }
end

-- `redis_<name>` of old configurations: the same as `redis.<name>`.
local function old_name(name, kind, len_min)
  local old = "redis_" .. name
  return { [old] = {
    type = kind,
    len_min = len_min,
    deprecation = {
      message = ("rate-limiting: config.%s is deprecated, please use config.redis.%s instead")
        :format(old, name),
      removal_in_version = "4.0",
      replaced_with = { { path = { "redis", name } } },
    },
    func = function(value)
      return { redis = { [name] = value } }
    end,
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
  type = "string", default = "local", len_min = 0, one_of = policies(),
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
  shorthand_fields = {
    old_name("host", "string"), old_name("port", "integer"), old_name("password", "string", 0),
    old_name("username", "string"), old_name("ssl", "boolean"), old_name("ssl_verify", "boolean"),
    old_name("server_name", "string"), old_name("timeout", "integer"), old_name("database", "integer"),
  },
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
