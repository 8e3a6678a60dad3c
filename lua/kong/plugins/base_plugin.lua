-- The class that handlers of Kong before 3.0 extend. Its phases do nothing.

local Object = require "kong.vendor.classic"

local PHASES = { "init_worker", "certificate", "rewrite", "access", "preread", "response",
                 "header_filter", "body_filter", "log", "configure" }

local BasePlugin = Object:extend()


function BasePlugin:new(name)
  self._name = name
end


for i = 1, #PHASES do
  BasePlugin[PHASES[i]] = function() end
end


return BasePlugin
