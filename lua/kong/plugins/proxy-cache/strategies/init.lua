-- Where responses are kept: calling this with `strategy_name` and `strategy_opts` gives a store with
-- `store`, `fetch`, `touch`, `purge` and `flush`.

local setmetatable = setmetatable

local STORES = { memory = require "kong.plugins.proxy-cache.strategies.memory" }

return setmetatable({
  STRATEGY_TYPES = { "memory" },
  -- Those that each node has of its own.
  LOCAL_DATA_STRATEGIES = { "memory", memory = true },
}, {
  __call = function(_, options)
    return STORES[options.strategy_name].new(options.strategy_opts)
  end,
})
