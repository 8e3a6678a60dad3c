-- The names that expressions see: headers, query_params, uri_captures, shared, type, and what
-- `untrusted_lua` allows.

local sandbox = require "kong.tools.sandbox"

local error, rawset, setmetatable, type = error, rawset, setmetatable, type
local EMPTY = {}

local LOADERS = {
  headers = function() return kong.request.get_headers() or EMPTY end,
  query_params = function() return kong.request.get_query() or EMPTY end,
  uri_captures = function() return (ngx.ctx.router_matches or EMPTY).uri_captures or EMPTY end,
  shared = function() return kong.ctx.shared end,
}

local function fallback(name)
  local configuration = sandbox.configuration
  if not configuration.enabled then
    return nil
  elseif not configuration.sandbox_enabled then
    return _G[name]
  elseif name == "type" then
    return type
  end
  return configuration.environment[name]
end

local mt = {
  __index = function(self, name)
    local load = LOADERS[name]
    if not load then
      return fallback(name)
    end
    local value = load()
    rawset(self, name, value)
    return value
  end,
  __newindex = function()
    error("This environment is read-only.")
  end,
}

-- The environment of one request; its parts are read when an expression asks for them.
return function()
  return setmetatable({}, mt)
end
