-- resty.worker.events: events between workers.
local worker_events = require "kong.worker_events"

return {
  configure = worker_events.configure,
  configured = function() return true end,
  poll = worker_events.poll,
  post = worker_events.post,
  post_local = worker_events.post_local,
  register = worker_events.register,
  register_weak = worker_events.register_weak,
  unregister = worker_events.unregister,
  run = function() return true end,
}
