-- Where counters live. Each policy has
--   usage(conf, identifier, period, timestamp)               → requests counted in the period so far
--   increment(conf, limits, identifier, timestamp, value)    → counts a request in all periods
-- and answers nil and an error text when its store cannot be used. With `waits`, to increment takes a
-- trip to the store, which no client should have to wait for.

return {
  ["local"] = require "kong.plugins.rate-limiting.policies.memory",
  cluster = require "kong.plugins.rate-limiting.policies.cluster",
  redis = require "kong.plugins.rate-limiting.policies.redis",
}
