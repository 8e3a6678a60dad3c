-- What the schemas of the plugins that limit rates share.

local kong = kong
local ipairs, tonumber, type = ipairs, tonumber, type

local _M = { PERIODS = { "second", "minute", "hour", "day", "month", "year" } }


-- What is wrong with limits by period: one must not be lower than that of a shorter period.
function _M.disorder(limits)
  for i, shorter in ipairs(_M.PERIODS) do
    local least = tonumber(limits[shorter])
    for j = least and i + 1 or #_M.PERIODS + 1, #_M.PERIODS do
      local limit = limits[_M.PERIODS[j]]
      if type(limit) == "number" and limit < least then
        return ("limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)")
               :format(_M.PERIODS[j], limit, shorter, least)
      end
    end
  end
end


-- Where counters can live. Without a database there is nothing that nodes could count in together.
function _M.policies()
  local configuration = kong and kong.configuration or {}
  if configuration.database == "off" or configuration.role == "control_plane" then
    return { "local", "redis" }
  end
  return { "local", "cluster", "redis" }
end


-- The fields `redis_<name>` of old configurations of a plugin: the same as `redis.<name>`.
function _M.old_redis_fields(plugin)
  local fields = {}
  for i, row in ipairs {
    { "host", "string" }, { "port", "integer" }, { "password", "string", 0 }, { "username", "string" },
    { "ssl", "boolean" }, { "ssl_verify", "boolean" }, { "server_name", "string" }, { "timeout", "integer" },
    { "database", "integer" },
  } do
    local name = row[1]
    local old = "redis_" .. name
    fields[i] = { [old] = {
      type = row[2], len_min = row[3],
      deprecation = {
        message = ("%s: config.%s is deprecated, please use config.redis.%s instead")
                  :format(plugin, old, name),
        removal_in_version = "4.0",
        replaced_with = { { path = { "redis", name } } },
      },
      func = function(value)
        return { redis = { [name] = value } }
      end,
    } }
  end
  return fields
end


return _M
