-- The plugin development kit: the table `kong`, one module per namespace.

local error, ipairs, rawget, require, setmetatable, type =
  error, ipairs, rawget, require, setmetatable, type
local host = require "host.running"
local running = require "kong.runloop.running"

local existing_ctx, has_request = host.existing_ctx, host.has_request

-- In an order in which each finds those it uses.
local NAMESPACES = {
  "table", "node", "log", "ctx", "ip", "client", "service", "request", "service.request",
  "service.response", "response", "router", "nginx", "cluster", "vault", "tracing", "plugin",
  "telemetry", "client.tls",
}

local _PDK = {}


local function configuration(values)
  return setmetatable({
    remove_sensitive = function()
      return require("kong.conf_loader").remove_sensitive(values)
    end,
  }, {
    __index = values,
    __newindex = function()
      error("cannot write to configuration", 2)
    end,
  })
end


local function place(kong, path)
  local parent, name = kong, path
  local outer, inner = path:match("^(.-)%.(.*)$")
  if outer then
    parent[outer] = parent[outer] or {}
    parent, name = parent[outer], inner
  end
  if rawget(parent, name) then
    error("PDK module '" .. path .. "' conflicts with a key")
  end
  parent[name] = require("kong.pdk." .. path).new(kong)
end


-- `kong.log` is that of the plugin that runs, or the gateway's own.
local function log_of_plugin(kong, key)
  if key ~= "log" then
    return nil
  end
  if not has_request() then
    local plugin = running.global_plugin
    return plugin and plugin.facility or rawget(kong, "_log")
  end
  local ctx, plugin = existing_ctx(), running.plugin()
  return ctx and rawget(ctx, "KONG_LOG") or plugin and plugin.facility or rawget(kong, "_log")
end


-- Fills `kong` (a new table by default) with all namespaces, over a table of configuration values.
function _PDK.new(values, kong)
  if values ~= nil and type(values) ~= "table" then
    error("kong_config must be a table", 2)
  end
  kong = kong or {}
  kong.configuration = configuration(values or {})
  for _, path in ipairs(NAMESPACES) do
    place(kong, path)
  end
  kong._log, kong.log = kong.log, nil
  return setmetatable(kong, { __index = log_of_plugin })
end


return _PDK
