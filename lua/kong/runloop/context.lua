-- `ngx.ctx` of a request as plugins know it: what Kong keeps there is computed when it is read.

local host = require "kong.host"
local native = require "kong.native"

local ngx = ngx
local getmetatable, rawget, rawset, select, setmetatable =
  getmetatable, rawget, rawset, select, setmetatable

local _M = {
  -- The plugin that runs where no request is served.
  global_plugin = nil,
}


-- ---- routes and services --------------------------------------------------------------------

-- Entities as tables, of the newest generation that a request had.
local generation, routes, services = -1, {}, {}

local function entity(kind, index, of_generation, make)
  if not index then
    return nil
  elseif of_generation < generation then
    return make()
  elseif of_generation > generation then
    generation, routes, services = of_generation, {}, {}
  end
  local known = kind == "route" and routes or services
  local found = known[index]
  if not found then
    found = make()
    known[index] = found
  end
  return found
end


-- ---- the upstream ---------------------------------------------------------------------------

-- Reads and writes go to the exchange; what it does not know stays in the table.
local balancer_data = {
  __index = function(_, name)
    if name == "tries" then
      return native.upstream_tries()
    end
    return native.upstream_get(name)
  end,
  __newindex = function(self, name, value)
    if value == nil or not native.upstream_set(name, value) then
      rawset(self, name, value)
    end
  end,
}


-- ---- times ----------------------------------------------------------------------------------

local function since(from, to)
  return from > 0 and to > 0 and to - from or nil
end

local function time(position)
  return function()
    local at = (select(position, native.times()))
    return at > 0 and at or nil
  end
end


-- ---- fields ---------------------------------------------------------------------------------

-- Fields that are computed each time.
local computed = {
  KONG_PHASE = function() return require("kong.pdk.private.phases").current() end,
  KONG_EXITED = function() return native.source() == "exit" or nil end,
  KONG_PROXIED = function() return native.source() == "service" or nil end,
  KONG_PROCESSING_START = time(1),
  KONG_ACCESS_START = time(2),
  KONG_ACCESS_ENDED_AT = time(3),
  KONG_BALANCER_START = time(4),
  KONG_BALANCER_ENDED_AT = time(5),
  KONG_HEADER_FILTER_START = time(6),
  KONG_BODY_FILTER_START = time(7),
  KONG_ACCESS_TIME = function()
    local _, start, stop = native.times()
    return since(start, stop)
  end,
  KONG_PROXY_LATENCY = function()
    local start, _, _, _, sent = native.times()
    return native.source() == "service" and since(start, sent) or nil
  end,
  KONG_RESPONSE_LATENCY = function()
    local start, _, stop, _, _, filter = native.times()
    return native.source() ~= "service" and (since(start, filter) or since(start, stop)) or nil
  end,
  KONG_WAITING_TIME = function()
    local _, _, _, _, sent, filter = native.times()
    return since(sent, filter)
  end,
  KONG_RECEIVE_TIME = function()
    local _, _, _, _, _, filter, _, stop = native.times()
    return since(filter, stop)
  end,
  KONG_LOG = function() return kong.log end,
  plugin_id = function(ctx)
    local conf = rawget(ctx, "KONG_PLUGIN_CONF")
    return conf and conf.__plugin_id
  end,
  request_id = function() return host.request_id() end,
  buffered_proxying = function() return native.is_buffered() or nil end,
  buffered_status = function() return native.is_buffered() and native.upstream_status() or nil end,
  buffered_headers = function() return native.is_buffered() and (native.upstream_headers(1000)) or nil end,
  buffered_body = function() return native.is_buffered() and native.response_body() or nil end,
}

-- Fields that are made once for a request.
local made = {
  workspace = function() return kong.default_workspace end,
  balancer_data = function() return setmetatable({}, balancer_data) end,
  route = function()
    local of_generation, route = native.matched()
    return entity("route", route, of_generation, native.route_entity)
  end,
  service = function()
    local of_generation, _, service = native.matched()
    return entity("service", service, of_generation, native.service_entity)
  end,
  router_matches = function()
    return { uri_captures = native.uri_captures() }
  end,
}

local mt = {
  __index = function(self, name)
    local compute = computed[name]
    if compute then
      return compute(self)
    end
    local make = made[name]
    local value = make and make()
    if value ~= nil then
      rawset(self, name, value)
    end
    return value
  end,
  __newindex = function(self, name, value)
    if name == "buffered_proxying" and value then
      native.enable_buffering()
    end
    rawset(self, name, value)
  end,
}


-- The context of the current request, made ready for plugins.
function _M.enter()
  local ctx = ngx.ctx
  if not getmetatable(ctx) then
    setmetatable(ctx, mt)
  end
  return ctx
end


return _M
