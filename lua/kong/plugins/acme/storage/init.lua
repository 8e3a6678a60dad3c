-- The storage that a configuration names.

local config_adapters = require "kong.plugins.acme.storage.config_adapters"

local require = require

local _M = {}


-- The module of a storage, and its configuration; nil and an error.
function _M.module_of(conf)
  local name = conf.storage
  if not name then
    return nil, "storage is nil"
  end
  local adapted = config_adapters.adapt_config(name, conf.storage_config or {})
  if not adapted then
    return nil, name .. " is not defined in plugin storage config"
  end
  return (name == "kong" and "kong.plugins.acme.storage." or "resty.acme.storage.") .. name, adapted
end


-- The storage; nil and an error.
function _M.open(conf)
  local module, adapted = _M.module_of(conf)
  if not module then
    return nil, adapted
  end
  return require(module).new(adapted)
end


return _M
