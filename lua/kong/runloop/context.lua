-- `ngx.ctx` of a request as plugins know it: what Kong keeps there is computed when it is read.

local host = require "kong.host"
local native = require "kong.native"
local running = require "kong.runloop.running"
local sets = require "kong.db.schema.sets"

local kong, ngx = kong, ngx
local pairs, rawset, select, setmetatable, tonumber, tostring, type =
  pairs, rawset, select, setmetatable, tonumber, tostring, type

local _M = {}


-- ---- routes and services --------------------------------------------------------------------

-- Entities as tables, of the newest generation that a request had.
local generation, routes, services = -1, {}, {}

local SETS = { "methods", "protocols", "snis", "tags" }

-- An entity as the DAO shows it to plugins: sets can be asked for a member, and it names its workspace.
local function shaped(found)
  for i = 1, found and #SETS or 0 do
    local set = found[SETS[i]]
    if type(set) == "table" then
      sets.new(set)
    end
  end
  if found and not found.ws_id then
    found.ws_id = kong.default_workspace
  end
  return found
end

local function entity(kind, index, of_generation, make)
  if not index then
    return nil
  elseif of_generation < generation then
    return shaped(make())
  elseif of_generation > generation then
    generation, routes, services = of_generation, {}, {}
  end
  local known = kind == "route" and routes or services
  local found = known[index]
  if not found then
    found = shaped(make())
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

-- Steps of the exchange by the names that Kong gives them, as positions in what the host answers.
local STEPS = {
  KONG_PROCESSING_START = 1, KONG_REWRITE_START = 1, KONG_REWRITE_ENDED_AT = 2,
  KONG_ACCESS_START = 2, KONG_ACCESS_ENDED_AT = 3,
  KONG_BALANCER_START = 4, KONG_BALANCER_ENDED_AT = 5,
  KONG_UPSTREAM_DNS_START = 4, KONG_UPSTREAM_DNS_END_AT = 4,
  KONG_HEADER_FILTER_START = 6, KONG_HEADER_FILTER_ENDED_AT = 7,
  KONG_BODY_FILTER_START = 7, KONG_BODY_FILTER_ENDED_AT = 8, KONG_LOG_START = 8,
}

-- Times between two steps.
local SPANS = {
  KONG_REWRITE_TIME = { 1, 2 }, KONG_ACCESS_TIME = { 2, 3 }, KONG_BALANCER_TIME = { 4, 5 },
  KONG_HEADER_FILTER_TIME = { 6, 7 }, KONG_BODY_FILTER_TIME = { 7, 8 },
  KONG_WAITING_TIME = { 5, 6 }, KONG_RECEIVE_TIME = { 6, 8 },
}

-- Milliseconds since the epoch; nil for a step that has not happened.
local function at(step)
  local time = (select(step, native.times()))
  return time > 0 and time or nil
end

local function between(first, last)
  local from, to = at(first), at(last)
  return from and to and to - from
end


-- ---- fields ---------------------------------------------------------------------------------

-- Fields that are computed each time.
local computed = {
  KONG_PHASE = function() return require("kong.pdk.private.phases").current() end,
  KONG_EXITED = function() return native.source() == "exit" or nil end,
  KONG_UNEXPECTED = function() return native.source() == "error" or nil end,
  KONG_PROXIED = function() return native.source() == "service" or at(4) ~= nil or nil end,
  KONG_PROXY_LATENCY = function() return between(1, 5) end,
  KONG_RESPONSE_LATENCY = function() return not at(4) and (between(1, 6) or between(1, 3)) or nil end,
  KONG_UPSTREAM_DNS_TIME = function() return at(4) and 0 or nil end,
  KONG_LOG = function() return kong.log end,
  plugin_id = function()
    local conf = running.conf()
    return conf and conf.__plugin_id
  end,
  request_id = function() return host.request_id() end,
  host_port = function()
    local port, public = tonumber(ngx.var.server_port), kong.configuration.host_ports
    return public and (public[port] or public[tostring(port)]) or port
  end,
  buffered_proxying = function() return native.is_buffered() or nil end,
  buffered_status = function() return native.is_buffered() and native.upstream_status() or nil end,
  buffered_headers = function() return native.is_buffered() and (native.upstream_headers(1000)) or nil end,
  buffered_body = function() return native.is_buffered() and native.response_body() or nil end,
}
for name, step in pairs(STEPS) do
  computed[name] = function() return at(step) end
end
for name, step in pairs {
  KONG_PROCESSING_START_NS = 1, KONG_ACCESS_START_NS = 2, KONG_BODY_FILTER_ENDED_AT_NS = 8,
  KONG_ROUTER_START_NS = 9,
} do
  computed[name] = function() return native.time_ns(step) end
end
for name, span in pairs(SPANS) do
  computed[name] = function() return between(span[1], span[2]) end
end

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
    if name == "KONG_PHASE" then
      return native.claim_phase(value)
    elseif name == "buffered_proxying" and value then
      native.enable_buffering()
    elseif name == "KONG_PROXIED" then
      native.claim_proxied(value)
    end
    rawset(self, name, value)
  end,
}


_M.mt = mt


return _M
