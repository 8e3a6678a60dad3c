-- The policy `redis`: counters in a Redis server, for all nodes that use it.

local connection = require "kong.plugins.rate-limiting.policies.connection"
local counter = require "kong.plugins.response-ratelimiting.policies.counter"
local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong = kong
local null = ngx.null
local ipairs, pairs, tonumber, type = ipairs, pairs, tonumber, type

-- Adds to a counter and has a new one expire.
local ADD = [[
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('TTL', KEYS[1]) < 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return sum
]]

local _M = {}


function _M.usage(conf, identifier, name, period, now)
  local red, err = connection.open(conf.redis)
  if not red then
    return nil, err
  end
  local began = timestamp.periods_at(now)[period]
  local value
  value, err = red:get(counter.name(conf, identifier, name, period, began))
  if not value then
    red:close()
    return nil, err
  end
  connection.keep(red)
  return value ~= null and tonumber(value) or 0
end


-- The first error among the replies of a pipeline.
local function failure(replies)
  for _, reply in ipairs(replies) do
    if type(reply) == "table" and reply[1] == false then
      return reply[2]
    end
  end
end


function _M.increment(conf, identifier, name, now, value)
  local red, err = connection.open(conf.redis)
  if not red then
    return nil, err
  end
  red:init_pipeline()
  for period, began in pairs(timestamp.periods_at(now)) do
    red:eval(ADD, 1, counter.name(conf, identifier, name, period, began), value, expiration[period])
  end
  local replies
  replies, err = red:commit_pipeline()
  err = err or failure(replies)
  if err then
    kong.log.err("failed to commit pipeline in Redis: ", err)
    red:close()
    return nil, err
  end
  connection.keep(red)
  return true
end


return _M
