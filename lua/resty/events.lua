-- resty.events: events that parts of a node tell each other.
--
-- `worker_events` of the gateway carries them; no broker listens.
local worker_events = require "kong.worker_events"

local error, setmetatable, type = error, setmetatable, type

local _M = { _VERSION = "0.3.1" }
local mt = { __index = _M }


function _M.new(options)
  if type(options) ~= "table" then
    return nil, "expected a table, but got " .. type(options)
  elseif type(options.listening) ~= "string" then
    return nil, "\"listening\" option required to start"
  end
  return setmetatable({ options = options, subscriptions = {}, last = 0 }, mt)
end

function _M.init_worker()
  return true
end

function _M.run()
  return true
end

function _M.is_ready()
  return true
end


-- `target` is "all" or "current".
function _M.publish(_, target, source, event, data)
  if type(target) ~= "string" then
    error("target must be a string", 2)
  end
  if target == "current" then
    return worker_events.post_local(source, event, data)
  end
  return worker_events.post(source, event, data)
end


-- `callback(data, event, source, worker)`; answers what `unsubscribe` takes.
function _M:subscribe(source, event, callback)
  worker_events.register(callback, source ~= "*" and source or nil, event ~= "*" and event or nil)
  self.last = self.last + 1
  self.subscriptions[self.last] = { callback, source, event }
  return self.last
end

function _M:unsubscribe(id)
  local known = self.subscriptions[id]
  if known then
    local source, event = known[2] ~= "*" and known[2] or nil, known[3] ~= "*" and known[3] or nil
    worker_events.unregister(known[1], source, event)
    self.subscriptions[id] = nil
  end
end


return _M
