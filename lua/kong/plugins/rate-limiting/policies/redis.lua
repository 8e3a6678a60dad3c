-- The policy `redis`: counters in a Redis server, for all nodes that use it.
--
-- With a `sync_rate` of -1 a request is counted by the very command that asks for the count: two at a time
-- cannot both be the last one let through. With a positive one a worker asks once in an interval, counts by
-- itself for the rest of it, and adds what it counted when the interval ends.

local connection = require "kong.plugins.rate-limiting.policies.connection"
local counter = require "kong.plugins.rate-limiting.policies.counter"
local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong = kong
local max, ipairs, next, pairs, type = math.max, ipairs, next, pairs, type

local WITH_EACH_REQUEST = -1

-- Adds to a counter and has a new one expire; answers the new value.
local ADD = [[
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return count
]]

-- What this worker counts by itself: store → name of a counter → { known, added, lifetime }. `known` is the
-- value that Redis told, if it was asked in this interval, and `added` what Redis does not know of yet.
local own = {}

-- Configurations, by the id of their plugin, whose interval has begun.
local awaited = {}

local _M = {}


local function own_counter(store, name, period)
  local counters = own[store]
  if not counters then
    counters = {}
    own[store] = counters
  end
  local found = counters[name]
  if not found then
    found = { added = 0, lifetime = expiration[period] }
    counters[name] = found
  end
  return found
end


-- Counts one request in Redis. Answers the value with it.
local function count_one(settings, name, period)
  local red, err = connection.open(settings)
  if not red then
    return nil, err
  end
  local count
  count, err = red:eval(ADD, 1, name, 1, expiration[period])
  if not count then
    red:close()
    return nil, err
  end
  connection.keep(red)
  return count
end


-- Adds what was counted to Redis; what it does not take is lost, and logged.
local function add_all(settings, counters)
  local red, err = connection.open(settings)
  if not red then
    kong.log.err("[rate-limiting] failed to connect to Redis: ", err)
    return
  end
  red:init_pipeline()
  for name, mine in pairs(counters) do
    red:eval(ADD, 1, name, mine.added, mine.lifetime)
  end
  local replies
  replies, err = red:commit_pipeline()
  for _, reply in ipairs(replies or {}) do
    if type(reply) == "table" and reply[1] == false then
      replies, err = nil, reply[2]
    end
  end
  if not replies then
    kong.log.err("[rate-limiting] failed to commit increment pipeline in Redis: ", err)
    red:close()
    return
  end
  connection.keep(red)
end


-- Ends the interval of a configuration.
local function finish(premature, conf, id)
  if premature then
    return
  end
  awaited[id] = nil
  local store = connection.store(conf.redis)
  local counters = own[store]
  own[store] = nil
  for name, mine in pairs(counters or {}) do
    if mine.added == 0 then
      counters[name] = nil
    end
  end
  if counters and next(counters) then
    add_all(conf.redis, counters)
  end
end


-- Begins an interval, unless it has begun.
local function begin(conf)
  local id = conf.__plugin_id or conf.__key__ or conf
  if awaited[id] then
    return true
  end
  local ok, err = kong.timer:at(conf.sync_rate, finish, conf, id)
  awaited[id] = ok and true or nil
  return ok and true or nil, err
end


function _M.usage(conf, identifier, period, current_timestamp)
  local settings = conf.redis
  local began = timestamp.periods_at(current_timestamp)[period]
  local name = counter.name(conf, identifier, period, began)
  if conf.sync_rate == WITH_EACH_REQUEST then
    local count, err = count_one(settings, name, period)
    return count and count - 1, err
  end

  local store = connection.store(settings)
  local mine = own_counter(store, name, period)
  if not mine.known then
    local count, err = count_one(settings, name, period)
    if not count then
      return nil, err
    end
    -- The interval may have ended meanwhile. A request was counted that `increment` counts as well, if it
    -- is let through.
    mine = own_counter(store, name, period)
    mine.known, mine.added = max(mine.known or 0, count), mine.added - 1
    begin(conf)
  end
  return mine.known + mine.added
end


function _M.increment(conf, limits, identifier, current_timestamp, value)
  if conf.sync_rate == WITH_EACH_REQUEST then
    return true
  end
  local store, began = connection.store(conf.redis), timestamp.periods_at(current_timestamp)
  for period in pairs(limits) do
    local mine = own_counter(store, counter.name(conf, identifier, period, began[period]), period)
    mine.added = mine.added + value
  end
  return begin(conf)
end


return _M
