-- kong.cluster_events: events between nodes. They travel by the database that nodes share; where none is
-- shared a node is alone, and what it broadcasts reaches nobody.
--
-- Events about the gateway's own state are heard by the host. Here one worker of the node asks for those that
-- plugins subscribed to, and calls them.

local cjson = require "cjson"
local native = require "kong.native"

local ngx = ngx
local error, ipairs, next, pairs, pcall, setmetatable, tonumber, tostring, type =
  error, ipairs, next, pairs, pcall, setmetatable, tonumber, tostring, type
local encode, max = cjson.encode, math.max

-- Seconds that are asked for again: an event may be older than when it comes to be seen.
local OVERLAP = 5
-- Seconds between two polls, unless `db_update_frequency` says otherwise; and the least there may be.
local INTERVAL, LEAST_INTERVAL = 5, 0.1
-- In the shared dictionary "kong": the channels that the first worker listens to.
local LISTENS = "cluster_events:listens:"
-- A time that no event has come to: who begins wants to know what time it is, and no event.
local NEVER = 2 ^ 32 - 1

local _M = {}
_M.__index = _M


function _M.new(options)
  options = options or {}
  return setmetatable({
    callbacks = {},
    heard = {},
    interval = tonumber(options.poll_interval),
    overlap = max(tonumber(options.poll_offset) or 0, OVERLAP),
  }, _M)
end


function _M:broadcast(channel, data, delay)
  if type(channel) ~= "string" then
    return nil, "channel must be a string"
  elseif type(data) ~= "string" then
    return nil, "data must be a string"
  elseif delay and type(delay) ~= "number" then
    return nil, "delay must be a number"
  end
  native.cluster_broadcast(channel, data, delay)
  return true
end


local function interval_of(self)
  local configuration = kong.configuration
  local interval = self.interval or configuration and tonumber(configuration.db_update_frequency) or INTERVAL
  return max(interval, LEAST_INTERVAL)
end


local function call(callback, data)
  local ok, err = pcall(callback, data)
  if not ok then
    ngx.log(ngx.ERR, "[cluster_events] callback threw an error: ", tostring(err))
  end
end


-- Tells the Admin API, whose code is loaded apart, which channels the first worker hears: a node hears an
-- event once.
local function tell_listening(self)
  for channel in pairs(self.callbacks) do
    ngx.shared.kong:set(LISTENS .. channel, true, 3 * interval_of(self))
  end
end


-- Calls those that subscribed to the channel of an event, not before its time.
local function tell(self, event, now)
  if not native.is_worker() and ngx.shared.kong:get(LISTENS .. event.channel) then
    return
  end
  local wait = event.nbf and event.nbf - now or 0
  for _, callback in ipairs(self.callbacks[event.channel] or {}) do
    if wait > 0 then
      ngx.timer.at(wait, function(premature)
        if not premature then
          call(callback, event.data)
        end
      end)
    else
      call(callback, event.data)
    end
  end
end


local function channels_of(self)
  local channels = {}
  for channel in pairs(self.callbacks) do
    channels[#channels + 1] = channel
  end
  return encode(channels)
end


--- Asks for what other nodes have told since the last time, and calls who subscribed to it.
-- @return true; nil and an error
function _M:poll()
  if not next(self.callbacks) then
    return true
  end
  local since = self.since
  local events, now = native.cluster_events(channels_of(self), since and since - self.overlap or NEVER)
  if not events then
    return nil, "failed to retrieve events from DB: " .. tostring(type(now) == "table" and now.message or now)
  end
  local heard = {}
  for _, event in ipairs(events) do
    heard[event.id] = true
    if not self.heard[event.id] then
      tell(self, event, now)
    end
  end
  self.heard, self.since = heard, now
  return true
end


local function keep_polling(self)
  local function look(premature)
    if premature then
      return
    end
    if native.is_worker() then
      tell_listening(self)
    end
    local ok, err = self:poll()
    if not ok then
      ngx.log(ngx.ERR, "[cluster_events] ", err)
    end
  end
  -- The first look only learns what time it is at the database.
  ngx.timer.at(0, look)
  ngx.timer.every(interval_of(self), look)
end


-- Calls back with the data of each event that another node broadcasts on a channel. One worker of a node
-- hears it.
function _M:subscribe(channel, callback)
  if type(channel) ~= "string" then
    return error("channel must be a string")
  elseif type(callback) ~= "function" then
    return error("callback must be a function")
  end
  local list = self.callbacks[channel] or {}
  list[#list + 1] = callback
  self.callbacks[channel] = list
  if not self.polls and ngx.worker.id() == 0 and native.cluster_is_shared() then
    self.polls = true
    keep_polling(self)
  end
  return true
end


return _M
