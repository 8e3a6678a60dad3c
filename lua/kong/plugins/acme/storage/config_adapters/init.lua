-- The configuration of a storage as the storage wants it.

local adapters = { redis = require "kong.plugins.acme.storage.config_adapters.redis" }

local _M = {}


-- The configuration of a type, out of those of all types; nil when there is none.
function _M.adapt_config(storage, configured)
  local conf, adapt = configured[storage], adapters[storage]
  return conf and adapt and adapt(conf) or conf
end


return _M
