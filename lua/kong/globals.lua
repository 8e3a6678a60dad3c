-- Makes the global `kong` of a VM.

local native = require "kong.native"

require "kong.declarations"

-- Fills `kong` over a table of configuration values.
return function(values)
  -- Modules take what they need of `kong` while they load: it exists first.
  kong = {
    version = require("kong.meta").version,
    version_num = 3009003,
  }

  local pdk = require "kong.pdk"
  local cache = require "kong.cache"

  pdk.new(values, kong)

  local database = values.database
  local ttl = database == "off" and 0 or values.db_cache_ttl
  local neg_ttl = database == "off" and 0 or values.db_cache_neg_ttl or ttl

  kong.db = require("kong.db").new(values)
  kong.worker_events = require "kong.worker_events"
  kong.cluster_events = require("kong.cluster_events").new()
  kong.timer = require "kong.timer"
  kong.cache = cache.new("kong_db_cache", {
    ttl = ttl, neg_ttl = neg_ttl, resurrect_ttl = values.resurrect_ttl,
  })
  kong.core_cache = cache.new("kong_core_db_cache", { ttl = ttl, neg_ttl = neg_ttl,
                                                       resurrect_ttl = values.resurrect_ttl })
  kong.default_workspace = native.default_workspace()
end
