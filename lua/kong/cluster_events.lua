-- kong.cluster_events: events between nodes. They travel by the database that nodes share; without one a node
-- is alone. What others send of caches and entities the host hears; callbacks of channels are kept and not
-- called.

local native = require "kong.native"

local error, type = error, type

local _M = {}
_M.__index = _M


function _M.new()
  return setmetatable({ callbacks = {} }, _M)
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


function _M:subscribe(channel, callback)
  if type(channel) ~= "string" then
    return error("channel must be a string")
  elseif type(callback) ~= "function" then
    return error("callback must be a function")
  end
  local list = self.callbacks[channel] or {}
  list[#list + 1] = callback
  self.callbacks[channel] = list
  return true
end


function _M.poll()
  return true
end


return _M
