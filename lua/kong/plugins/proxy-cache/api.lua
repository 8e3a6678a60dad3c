-- Looking at kept responses, and throwing them away.

local strategies = require "kong.plugins.proxy-cache.strategies"

local kong = kong

local ABSENT = "request object not in cache"


local function exit(status, body)
  return kong.response.exit(status, body)
end


local function store_of(plugin)
  local config = plugin.config
  return strategies { strategy_name = config.strategy, strategy_opts = config[config.strategy] }
end


-- Lets other nodes purge, too.
local function broadcast(plugin, key)
  if not strategies.LOCAL_DATA_STRATEGIES[plugin.config.strategy] then
    return
  end
  local data = plugin.id .. ":" .. (key or "nil")
  kong.log.debug("broadcasting purge '", data, "'")
  local ok, err = kong.cluster_events:broadcast("proxy-cache:purge", data)
  if not ok then
    kong.log.err("failed broadcasting proxy cache purge to cluster: ", err)
  end
end


-- What is kept under a key for a plugin; nil for nothing.
local function fetch(plugin, key)
  local value, err = store_of(plugin):fetch(key)
  if err and err ~= ABSENT then
    return exit(500, err)
  end
  return value
end


-- Calls `act(plugin)` for plugins of this kind until it answers something.
local function each(act)
  for plugin, err in kong.db.plugins:each() do
    if err then
      return exit(500, { message = err })
    end
    local found = plugin.name == "proxy-cache" and act(plugin)
    if found then
      return found
    end
  end
end


-- The plugin that the path names, or the first one that has something under the key in the path; and that.
local function find(self)
  local key = self.params.cache_key
  if self.params.plugin_id then
    local plugin, err = kong.db.plugins:select({ id = self.params.plugin_id })
    if err then
      return exit(500, err)
    end
    return plugin, plugin and fetch(plugin, key)
  end
  local value
  local plugin = each(function(plugin)
    value = fetch(plugin, key)
    return value and plugin
  end)
  return plugin, value
end


local function show(self)
  local _, value = find(self)
  if not value then
    return exit(404)
  end
  return exit(200, value)
end


local function purge(self)
  local plugin, value = find(self)
  if not value then
    return exit(404)
  end
  local _, err = store_of(plugin):purge(self.params.cache_key)
  if err then
    return exit(500, err)
  end
  broadcast(plugin, self.params.cache_key)
  return exit(204)
end


local function purge_all()
  each(function(plugin)
    local ok, err = store_of(plugin):flush(true)
    if not ok then
      return exit(500, { message = err })
    end
    broadcast(plugin)
  end)
  return exit(204)
end


return {
  ["/proxy-cache"] = { resource = "proxy-cache", DELETE = purge_all },
  ["/proxy-cache/:cache_key"] = { resource = "proxy-cache", GET = show, DELETE = purge },
  ["/proxy-cache/:plugin_id/caches/:cache_key"] = { resource = "proxy-cache", GET = show, DELETE = purge },
}
