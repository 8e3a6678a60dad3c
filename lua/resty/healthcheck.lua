-- resty.healthcheck: which targets are well, by asking them and by what is reported of them.
--
-- What changes is told all workers as events.

local reports = require "resty.healthcheck.reports"
local rounds = require "resty.healthcheck.rounds"
local settings = require "resty.healthcheck.settings"
local probe = require "resty.healthcheck.probe"
local store = require "resty.healthcheck.store"
local ssl = require "ngx.ssl"

local ngx = ngx
local assert, error, ipairs, next, pairs, setmetatable, tonumber, tostring, type =
  assert, error, ipairs, next, pairs, setmetatable, tonumber, tostring, type
local remove = table.remove

local PREFIX = "lua-resty-healthcheck"
local NUMBERS, STATES = store.NUMBERS, store.STATES

local EVENTS = setmetatable({
  remove = "remove", clear = "clear", healthy = "healthy", unhealthy = "unhealthy",
  mostly_healthy = "mostly_healthy", mostly_unhealthy = "mostly_unhealthy",
}, {
  __index = function(_, name)
    error("'" .. tostring(name) .. "' is not a valid event name")
  end,
})

local _M = { _VERSION = "3.1.0" }
local checker = {}


local function address(ip, port)
  return tostring(assert(ip, "no ip address provided")), assert(tonumber(port), "no port number provided")
end


local function is_well(health)
  return health == "healthy" or health == "mostly_healthy"
end


function checker:log(level, ...)
  ngx.log(level, self.LOG_PREFIX, ...)
end


function checker:raise_event(event, ip, port, hostname)
  self.worker_events.post(self.EVENT_SOURCE, event, { ip = ip, port = port, hostname = hostname })
end


-- A target as this worker knows it.
function checker:find(ip, port, hostname)
  local ports = self.targets[ip]
  local names = ports and ports[port]
  return names and names[hostname or ip]
end


-- ---- targets --------------------------------------------------------------------------------

-- Adds a target; one that is there stays as it is.
function checker:add_target(ip, port, hostname, is_healthy, hostheader)
  ip, port = address(ip, port)
  hostname = hostname or ip
  local health = is_healthy == false and "unhealthy" or "healthy"
  return store.with_list(self, function(list)
    local found
    for _, target in ipairs(list) do
      if target.ip == ip and target.port == port and target.hostname == hostname then
        if not target.purge_time then
          self:log(ngx.DEBUG, "adding an existing target: ", hostname, " ", ip, ":", port, " (ignoring)")
          return true
        end
        -- It was to go.
        target.purge_time, found = nil, true
        health = self:get_target_status(ip, port, hostname) and "healthy" or "unhealthy"
      end
    end
    -- What is in the list has a state.
    self.shm:set(store.key(self.TARGET_STATE, ip, port, hostname), NUMBERS[health])
    if not found then
      list[#list + 1] = { ip = ip, port = port, hostname = hostname, hostheader = hostheader }
    end
    local ok, err = store.save(self, list)
    if not ok then
      return nil, err
    end
    if not found then
      self:raise_event(health, ip, port, hostname)
    end
    return true
  end)
end


-- Removes a target, if it is there.
function checker:remove_target(ip, port, hostname)
  ip, port = address(ip, port)
  return store.with_list(self, function(list)
    for i, target in ipairs(list) do
      if target.ip == ip and target.port == port and target.hostname == hostname then
        remove(list, i)
        local ok, err = store.save(self, list)
        if not ok then
          return nil, err
        end
        store.forget(self, ip, port, hostname)
        self:raise_event("remove", ip, port, hostname)
        break
      end
    end
    return true
  end)
end


-- Removes all targets.
function checker:clear()
  return store.with_list(self, function(list)
    local ok, err = store.save(self, {})
    if not ok then
      return nil, err
    end
    for _, target in ipairs(list) do
      store.forget(self, target.ip, target.port, target.hostname)
    end
    self.targets = {}
    self:raise_event("clear")
    return true
  end)
end


-- Removes in so many seconds all targets that are not added again.
function checker:delayed_clear(delay)
  assert(tonumber(delay), "no delay provided")
  return store.with_list(self, function(list)
    for _, target in ipairs(list) do
      target.purge_time = ngx.now() + delay
    end
    return store.save(self, list)
  end)
end


-- Whether a target is well.
function checker:get_target_status(ip, port, hostname)
  local target = self:find(ip, port, hostname)
  if not target then
    return nil, "target not found"
  end
  return is_well(target.internal_health)
end


-- ---- events ---------------------------------------------------------------------------------

local function learn(self, target)
  local ports = self.targets[target.ip] or {}
  ports[target.port] = ports[target.port] or {}
  ports[target.port][target.hostname] = target
  self.targets[target.ip] = ports
end


local function unlearn(self, ip, port, hostname)
  local ports = self.targets[ip]
  ports[port][hostname or ip] = nil
  if not next(ports[port]) then
    ports[port] = nil
  end
  if not next(ports) then
    self.targets[ip] = nil
  end
  for i, target in ipairs(self.targets) do
    if target.ip == ip and target.port == port and target.hostname == (hostname or ip) then
      remove(self.targets, i)
      break
    end
  end
end


local function be_told(self, event, ip, port, hostname)
  local target = self:find(ip, port, hostname)
  if not target then
    target = { ip = ip, port = port, hostname = hostname or ip }
    self.targets[#self.targets + 1] = target
    learn(self, target)
    self:log(ngx.DEBUG, "event: target added '", hostname or "", "(", ip, ":", port, ")'")
  end
  self:log(ngx.DEBUG, "event: target status '", hostname or "", "(", ip, ":", port, ")' from '",
           is_well(target.internal_health), "' to '", is_well(event), "'")
  target.internal_health = event
end


function checker:event_handler(event, ip, port, hostname)
  if event == "clear" then
    self.targets = {}
    self:log(ngx.DEBUG, "event: local cache cleared")
  elseif NUMBERS[event] then
    be_told(self, event, ip, port, hostname)
  elseif event ~= "remove" then
    self:log(ngx.WARN, "event: unknown event received '", event, "'")
  elseif self:find(ip, port, hostname) then
    unlearn(self, ip, port, hostname)
    self:log(ngx.DEBUG, "event: target '", hostname or "", " (", ip, ":", port, ")' removed")
  else
    self:log(ngx.WARN, "event: trying to remove an unknown target '", hostname or "", "(", ip, ":", port,
             ")'")
  end
end


-- ---- asking ---------------------------------------------------------------------------------

function checker:run_single_check(ip, port, hostname, hostheader)
  return probe.one(self, { ip = ip, port = port, hostname = hostname or ip, hostheader = hostheader })
end


function checker:start()
  for _, group in pairs { self.checks.active.healthy, self.checks.active.unhealthy } do
    if group.interval > 0 then
      group.active, group.last_run = true, ngx.now()
    end
  end
  self.worker_events.unregister(self.ev_callback, self.EVENT_SOURCE)
  self.worker_events.register_weak(self.ev_callback, self.EVENT_SOURCE)
  self:log(ngx.DEBUG, "active check flagged as active")
  return true
end


function checker:stop()
  self.checks.active.healthy.active, self.checks.active.unhealthy.active = false, false
  self.worker_events.unregister(self.ev_callback, self.EVENT_SOURCE)
  self:log(ngx.DEBUG, "healthchecker stopped")
  return true
end


-- ---- making ---------------------------------------------------------------------------------

local MODULES = { ["resty.worker.events"] = "resty.worker.events", ["resty.events"] = "resty.events.compat" }


local function events_of(name)
  local module = MODULES[name]
  if not module then
    error("unknown events module")
  end
  local events = require(module)
  assert(events.configured(),
         "please configure the '" .. name .. "' module before using 'lua-resty-healthcheck'")
  return events
end


local function load_targets(self)
  return store.with_list(self, function(list)
    self.targets = list
    self:log(ngx.DEBUG, "Got initial target list (", #list, " targets)")
    for _, target in ipairs(list) do
      local key = store.key(self.TARGET_STATE, target.ip, target.port, target.hostname)
      target.internal_health = STATES[self.shm:get(key)]
      self:log(ngx.DEBUG, "Got initial status ", target.internal_health, " ", target.hostname, " ", target.ip,
               ":", target.port)
      learn(self, target)
    end
    return true
  end)
end


-- For tests: the counters of a target, and its state.
local function test_get_counter(self, ip, port, hostname)
  return store.with_target(self, ip, port, hostname, function()
    local target = self:find(ip, port, hostname)
    return self.shm:get(store.key(self.TARGET_COUNTER, ip, port, hostname)), target and target.internal_health
  end)
end


local function parsed(source, parse)
  return type(source) == "string" and assert(parse(source)) or source
end


-- Makes a checker and starts it; it lives as long as somebody holds it.
--
-- *Errors*: raised where an option is wrong.
function _M.new(opts)
  opts = opts or {}
  local self = settings.read(opts)
  for _, methods in ipairs { checker, reports } do
    for name, method in pairs(methods) do
      self[name] = method
    end
  end
  self.events, self.worker_events = EVENTS, events_of(self.events_module)
  self.shm = assert(ngx.shared[tostring(self.shm_name)],
                    "no shm found by name '" .. tostring(self.shm_name) .. "'")
  if opts.ssl_cert and opts.ssl_key then
    self.ssl_cert = parsed(opts.ssl_cert, ssl.parse_pem_cert)
    self.ssl_key = parsed(opts.ssl_key, ssl.parse_pem_priv_key)
  end
  if opts.test then
    self.test_get_counter, self.checker_callback_count = test_get_counter, 0
  end

  local prefix = PREFIX .. ":" .. self.name
  self.TARGET_STATE, self.TARGET_COUNTER = prefix .. ":state", prefix .. ":counter"
  self.TARGET_LIST, self.TARGET_LIST_LOCK = prefix .. ":target_list", prefix .. ":target_list_lock"
  self.TARGET_LOCK, self.CALLBACK_LOCK = prefix .. ":target_lock", prefix .. ":callback_lock:"
  self.EVENT_SOURCE = PREFIX .. " [" .. self.name .. "]"
  self.LOG_PREFIX = "[healthcheck] (" .. self.name .. ") "

  local ok, err = load_targets(self)
  if not ok then
    return nil, "Error loading initial target list: " .. err
  end
  self.ev_callback = function(data, event)
    self:event_handler(event, data.ip, data.port, data.hostname)
  end
  self:start()
  ok, err = rounds.add(self)
  if not ok then
    self:stop()
    return nil, "failed to create timer: " .. err
  end
  return self
end


return _M
