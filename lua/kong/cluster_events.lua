-- kong.cluster_events: events between nodes. Without a database a node is alone: what it broadcasts
-- reaches nobody else, and it hears nothing.

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
