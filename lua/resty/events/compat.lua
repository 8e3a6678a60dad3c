-- resty.events.compat: resty.events with the interface of resty.worker.events.
return require "resty.worker.events"
