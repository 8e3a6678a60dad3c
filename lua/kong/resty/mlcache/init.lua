-- A cache of several levels: a table in this VM, a shared dictionary, a callback that one worker at a
-- time runs; and, where the callback fails, the value that has expired.

local bulk = require "kong.resty.mlcache.bulk"
local levels = require "kong.resty.mlcache.levels"
local lock = require "resty.lock"
local options = require "kong.resty.mlcache.options"
local values = require "kong.resty.mlcache.values"

local ngx = ngx
local error, pairs, setmetatable, tostring, traceback, type, xpcall =
  error, pairs, setmetatable, tostring, debug.traceback, type, xpcall
local find, promote, put = levels.find, levels.promote, levels.put
local MISS = levels.MISS

local LOCK = "lua-resty-mlcache:lock:"
local ERR_TIMEOUT = "could not acquire callback lock: timeout"
local MOST_VERSIONS = 65535

local _M = { _VERSION = "2.6.0" }
local mt = { __index = _M }


-- ---- making one -----------------------------------------------------------------------------

local function events_of(self)
  return {
    invalidation = {
      channel = "mlcache:invalidations:" .. self.name,
      handler = function(key) self.lru:delete(key) end,
    },
    purge = {
      channel = "mlcache:purge:" .. self.name,
      handler = function() self.lru:flush_all() end,
    },
  }
end


local function connect_shm(self, opts)
  local ipc, err = require("kong.resty.mlcache.ipc").new(opts.ipc_shm, opts.debug)
  if not ipc then
    return nil, "failed to initialize mlcache IPC (could not instantiate mlcache.ipc): " .. err
  end
  for _, event in pairs(self.events) do
    ipc:subscribe(event.channel, event.handler)
  end
  self.ipc = ipc
  function self.broadcast(channel, data) return ipc:broadcast(channel, data) end
  function self.poll(timeout) return ipc:poll(timeout) end
  return true
end


local function connect_own(self, opts)
  local ok, err = opts.ipc.register_listeners(self.events)
  if not ok and err ~= nil then
    return nil, "failed to initialize custom IPC (opts.ipc.register_listeners returned an error): " .. err
  end
  self.broadcast, self.poll, self.ipc = opts.ipc.broadcast, opts.ipc.poll, true
  return true
end


-- Why one of the dictionaries cannot be used, if so.
local function missing_dict(shm, opts)
  if not ngx.shared[shm] then
    return "no such lua_shared_dict: " .. shm
  end
  for _, name in pairs { "shm_miss", "shm_locks" } do
    if opts[name] and not ngx.shared[opts[name]] then
      return "no such lua_shared_dict for opts." .. name .. ": " .. opts[name]
    end
  end
end


-- A cache over a shared dictionary. Caches of one name share their table of level 1.
function _M.new(name, shm, opts)
  if type(name) ~= "string" then
    error("name must be a string", 2)
  elseif type(shm) ~= "string" then
    error("shm must be a string", 2)
  end
  opts = opts == nil and {} or opts
  local err = options.of_cache(opts)
  if err then
    error(err, 2)
  end
  err = missing_dict(shm, opts)
  if err then
    return nil, err
  end

  local self = setmetatable({
    name = name, shm = shm, dict = ngx.shared[shm],
    shm_miss = opts.shm_miss, dict_miss = opts.shm_miss and ngx.shared[opts.shm_miss],
    shm_locks = opts.shm_locks or shm,
    ttl = opts.ttl or 30, neg_ttl = opts.neg_ttl or 5, resurrect_ttl = opts.resurrect_ttl,
    lru_size = opts.lru_size or 100, shm_set_tries = opts.shm_set_tries or 3,
    resty_lock_opts = opts.resty_lock_opts, l1_serializer = opts.l1_serializer, debug = opts.debug,
    lru = opts.lru,
  }, mt)
  if opts.ipc_shm or opts.ipc then
    self.events = events_of(self)
    local connect = opts.ipc_shm and connect_shm or connect_own
    local connected
    connected, err = connect(self, opts)
    if not connected then
      return nil, err
    end
  end
  if not self.lru then
    levels.attach(self)
  end
  return self
end


-- ---- loading --------------------------------------------------------------------------------

-- Ends a lock; answers the rest of the arguments, or why it could not be ended.
local function unlocked(held, ...)
  local ok, err = held:unlock()
  if not ok and err ~= "unlocked" then
    return nil, "could not unlock callback: " .. err
  end
  return ...
end


-- The lock of a key, and whether it timed out; nil and an error.
local function acquire(self, key)
  local held, err = lock:new(self.shm_locks, self.resty_lock_opts)
  if not held then
    return nil, "could not create lock: " .. err
  end
  local elapsed
  elapsed, err = held:lock(LOCK .. self.name .. key)
  if not elapsed and err ~= "timeout" then
    return nil, "could not acquire callback lock: " .. err
  end
  return held, not elapsed
end


-- Runs a callback and keeps what it gives. Answers value, error, level.
local function call(self, key, life, old, expired, callback, ...)
  local ok, value, err, ttl = xpcall(callback, traceback, ...)
  if not ok then
    return nil, "callback threw an error: " .. tostring(value)
  elseif err then
    err = tostring(err)
    if expired and life.resurrect_ttl then
      return values.resurrect(put, self, key, old, life, err, levels.STALE)
    end
    return value, err
  end
  life = values.life_of(life, value, ttl)
  if not life then
    return value, nil, 3
  end
  value, err = put(self, key, value, life)
  if err then
    return nil, err
  end
  return value, nil, 3
end


-- Loads a key, unless another worker has while this one waited for its turn.
local function load(self, key, life, old, expired, callback, ...)
  local held, late = acquire(self, key)
  if not held then
    return nil, late
  end
  local found, value, level, err = promote(self, key, life.l1_serializer)
  if err or found then
    return unlocked(held, not err and value or nil, err, level)
  elseif not late then
    return unlocked(held, call(self, key, life, old, expired, callback, ...))
  elseif not expired or not life.resurrect_ttl then
    return nil, ERR_TIMEOUT
  end
  ngx.log(ngx.WARN, ERR_TIMEOUT)
  return old, nil, 4
end


local function shown(value, err, level)
  if value == MISS then
    value = nil
  end
  return value, err, level
end


-- ---- the interface --------------------------------------------------------------------------

local function check_key(key)
  if type(key) ~= "string" then
    error("key must be a string", 3)
  end
end


local function check_call(self, opts)
  local life, err = options.of_call(self, opts)
  if not life then
    error(err, 3)
  end
  return life
end


local function check_ipc(self, purpose)
  if not self.broadcast then
    error("no ipc to propagate " .. purpose .. ", specify opts.ipc_shm or opts.ipc", 3)
  end
end


local function tell(self, event, key, purpose)
  local _, err = self.broadcast(self.events[event].channel, key)
  if err then
    return nil, "could not broadcast " .. purpose .. ": " .. err
  end
  return true
end


-- The value of a key, loaded by `callback(...)` if need be: it returns the value, an error, a ttl.
-- Answers value, error, level: 1, 2, 3 for the callback, 4 for an expired value, -1 for none.
function _M:get(key, opts, callback, ...)
  check_key(key)
  if callback ~= nil and type(callback) ~= "function" then
    error("callback must be nil or a function", 2)
  end
  local value = self.lru:get(key)
  if value == MISS then
    return nil, nil, 1
  elseif value ~= nil then
    return value, nil, 1
  end

  local life = check_call(self, opts)
  local found, level, err
  found, value, level, err = promote(self, key, life.l1_serializer)
  if err then
    return nil, err
  elseif found then
    return shown(value, nil, level)
  elseif callback == nil then
    return nil, nil, -1
  end
  return shown(load(self, key, life, value, level, callback, ...))
end


-- What another worker has renewed meanwhile: true, its value and the seconds left.
local function renewed(self, key, before)
  local text, flags, _, dict = find(self, key)
  if text == nil or levels.version(flags) == before then
    return false, text ~= nil and dict or nil, levels.version(text ~= nil and flags or 0)
  end
  local ttl = dict:ttl(self.name .. key)
  if not ttl then
    return false, dict, levels.version(flags)
  end
  return true, levels.decode(text), ttl
end


-- Keeps a renewed value, and drops it from the dictionary where its predecessor lay.
local function keep_renewed(self, key, value, life, version, place)
  local next_version = value == nil and 0 or version >= MOST_VERSIONS and 1 or version + 1
  local kept, err = put(self, key, value, life, levels.with_version(next_version))
  if err then
    return nil, err
  end
  local missing = kept == MISS
  local other = self.dict_miss and place == (missing and self.dict or self.dict_miss) and place
  if other then
    local ok
    ok, err = other:delete(self.name .. key)
    if not ok then
      return nil, "could not delete from shm" .. (missing and ": " or " (miss): ") .. err
    end
  end
  local ok
  ok, err = tell(self, "invalidation", key, "renew")
  if not ok then
    return nil, err
  end
  return shown(kept, nil, missing and life.neg_ttl or life.ttl)
end


-- Loads a key anew in any case; of workers that do so at once, one runs the callback. Answers value,
-- error, ttl.
function _M:renew(key, opts, callback, ...)
  check_ipc(self, "renew")
  check_key(key)
  local life = check_call(self, opts)
  if type(callback) ~= "function" then
    error("callback must be a function", 2)
  end

  local text, flags = find(self, key)
  if text == nil and flags then
    return nil, flags
  end
  local held, late = acquire(self, key)
  if not held then
    return nil, late
  end
  local done, place, rest = renewed(self, key, levels.version(text ~= nil and flags or 0))
  if done and late then
    return place, nil, rest
  elseif done then
    return unlocked(held, place, nil, rest)
  elseif late then
    return nil, ERR_TIMEOUT
  end

  local ok, value, err, ttl = xpcall(callback, traceback, ...)
  if not ok then
    return unlocked(held, nil, "callback threw an error: " .. tostring(value))
  elseif err then
    return unlocked(held, value, tostring(err))
  end
  life = values.life_of(life, value, ttl)
  if not life then
    return unlocked(held, value, nil, ttl)
  end
  return unlocked(held, keep_renewed(self, key, value, life, rest, place))
end


_M.new_bulk, _M.each_bulk_res = bulk.new, bulk.each


-- Many keys at once: see `new_bulk` and `each_bulk_res`.
function _M:get_bulk(operations, opts)
  return bulk.get(self, load, operations, opts)
end


-- Seconds left, error, value, whether it has expired, whether it never does; without loading it.
function _M:peek(key, stale)
  check_key(key)
  local text, flags, expired, dict = find(self, key)
  if text == nil then
    return nil, flags or nil
  elseif expired and not stale then
    return nil
  end
  local value, err = levels.decode(text)
  if err then
    return nil, err
  end
  return dict:ttl(self.name .. key), nil, value, expired, levels.is_endless(flags)
end


-- Stores a value in all levels, and drops it from level 1 of the other workers.
function _M:set(key, opts, value)
  check_ipc(self, "update")
  check_key(key)
  local life = check_call(self, opts)
  if self.dict_miss then
    local other = value == nil and self.dict or self.dict_miss
    local ok, err = other:delete(self.name .. key)
    if not ok then
      return nil, "could not delete from shm: " .. err
    end
  end
  local _, err = put(self, key, value, life, nil, true)
  if err then
    return nil, err
  end
  return tell(self, "invalidation", key, "update")
end


function _M:delete(key)
  check_ipc(self, "deletion")
  check_key(key)
  for _, dict in pairs { self.dict, self.dict_miss } do
    local ok, err = dict:delete(self.name .. key)
    if not ok then
      return nil, "could not delete from shm: " .. err
    end
  end
  self.lru:delete(key)
  return tell(self, "invalidation", key, "deletion")
end


-- Drops everything; with `flush_expired` the memory as well.
function _M:purge(flush_expired)
  check_ipc(self, "purge")
  for _, dict in pairs { self.dict, self.dict_miss } do
    dict:flush_all()
    if flush_expired then
      dict:flush_expired()
    end
  end
  self.lru:flush_all()
  return tell(self, "purge", "", "purge")
end


-- Hears what other workers have told.
function _M:update(timeout)
  local poll = self.poll
  if poll == nil then
    error("no polling configured, specify opts.ipc_shm or opts.ipc.poll", 2)
  end
  local _, err = poll(timeout)
  return not err or nil, err and "could not poll ipc events: " .. err
end


return _M
