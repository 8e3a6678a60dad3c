-- Where counters live. Each policy has
--   usage(conf, identifier, name, period, timestamp)         → what a limit's period has used up so far
--   increment(conf, identifier, name, timestamp, value)      → adds to all periods of a limit
-- and answers nil and an error text when its store cannot be used.

return {
  ["local"] = require "kong.plugins.response-ratelimiting.policies.memory",
  cluster = require "kong.plugins.response-ratelimiting.policies.cluster",
  redis = require "kong.plugins.response-ratelimiting.policies.redis",
}
