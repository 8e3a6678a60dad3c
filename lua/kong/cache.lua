-- kong.cache and kong.core_cache: values by key, loaded by a callback when they are missing.
--
-- Level 1 is a table in this VM, level 2 a shared dictionary of all workers, level 3 the callback; 4
-- is an outdated value that is given because the callback failed. One worker at a time loads a key.

local buffer = require "string.buffer"
local host = require "kong.host"
local native = require "kong.native"
local options = require "kong.resty.mlcache.options"
local values = require "kong.resty.mlcache.values"

local ngx = ngx
local cache_sequence, now = host.cache_sequence, host.now
local decode, encode = buffer.decode, buffer.encode
local error, floor, max, pcall, setmetatable, tostring, type, xpcall =
  error, math.floor, math.max, pcall, setmetatable, tostring, type, xpcall

-- Entries of level 1. They lie in two halves: what is used moves to the young one, and when that is
-- full the old one is dropped.
local CAPACITY = 500000
-- The host's sequence is the generation of the configuration in the high bits and the number of
-- invalidations in the low ones.
local GENERATION = 2 ^ 32

local NIL = {}
local STORABLE = { number = true, boolean = true, string = true, table = true }

-- The channels on which nodes tell each other of keys, where they are not named after the cache.
local CHANNELS = { kong_db_cache = "invalidations" }

local _M = {}
local mt = { __index = _M }

-- All caches of this VM, by name.
local caches = {}


-- ---- level 1 --------------------------------------------------------------------------------

local function clear(self)
  self.young, self.old, self.count = {}, {}, 0
end

local function remember(self, key, value, expires)
  if self.count >= CAPACITY / 2 then
    self.old, self.young, self.count = self.young, {}, 0
  end
  if not self.young[key] then
    self.count = self.count + 1
  end
  self.young[key] = { value, expires }
end

-- As `remember`, of what the serializer makes of the value. Answers that; nil and why it failed.
local function promote(self, key, value, expires, serializer)
  if serializer and value ~= NIL then
    local err
    value, err = values.serialized(serializer, value)
    if err then
      return nil, err
    end
  end
  remember(self, key, value, expires)
  return value
end

local function forget(self, key)
  self.young[key], self.old[key] = nil, nil
end

local function recall(self, key)
  local entry = self.young[key]
  if not entry then
    entry = self.old[key]
    if not entry then
      return nil
    end
    self.old[key] = nil
    remember(self, key, entry[1], entry[2])
  end
  if entry[2] == 0 or entry[2] > now() then
    return entry[1]
  end
end


-- Drops what other workers, or a new configuration, have made invalid since the last look.
local function catch_up(self)
  local sequence = cache_sequence()
  if sequence == self.sequence then
    return
  end
  local same_generation = floor(sequence / GENERATION) == floor(self.sequence / GENERATION)
  local keys, seen = native.cache_missed(self.sequence % GENERATION)
  self.sequence = sequence - sequence % GENERATION + seen
  if not keys or not same_generation then
    return clear(self)
  end
  local prefix = self.name .. ":"
  for i = 1, #keys do
    if keys[i]:sub(1, #prefix) == prefix then
      forget(self, keys[i]:sub(#prefix + 1))
    end
  end
end


-- ---- level 2 --------------------------------------------------------------------------------

-- Values belong to the configuration they were loaded under, so that one that is gone brings none
-- back.
local function shared_key(self, key)
  return self.name .. native.configuration_tag() .. key
end

local function share(self, key, value, ttl)
  local dict, misses = self.dict, self.misses
  if not dict then
    return
  elseif value == nil then
    misses:set(shared_key(self, key), true, ttl)
    return
  end
  local encoded, text = pcall(encode, { value, ttl > 0 and now() + ttl or 0 })
  if encoded then
    dict:set(shared_key(self, key), text, ttl)
  end
end

-- A shared value and when it expires; NIL for one known to be missing.
local function shared(self, key)
  local dict = self.dict
  if not dict then
    return nil
  end
  local text = dict:get(shared_key(self, key))
  if text then
    local pair = decode(text)
    return pair[1], pair[2]
  end
  if self.misses:get(shared_key(self, key)) then
    local left = self.misses:ttl(shared_key(self, key)) or 0
    return NIL, left > 0 and now() + left or 0
  end
end

local function outdated(self, key)
  local text = self.dict and self.dict:get_stale(shared_key(self, key))
  return text and decode(text)[1]
end


-- ---- level 3 --------------------------------------------------------------------------------

-- Keeps a value in both levels. Answers what level 1 holds, as the serializer makes it; nil and why
-- it could not.
local function keep(self, key, value, life)
  local ttl = life.neg_ttl
  if value ~= nil then
    if not STORABLE[type(value)] then
      error("cannot cache value of type " .. type(value))
    end
    ttl = life.ttl
  end
  share(self, key, value, ttl)
  return promote(self, key, value == nil and NIL or value, ttl > 0 and now() + ttl or 0, life.l1_serializer)
end


-- Whether a key was invalidated after the host's sequence stood at `before`: what was loaded meanwhile may be
-- outdated already.
local function is_outdated(self, key, before)
  if cache_sequence() == before then
    return false
  end
  local keys = native.cache_missed(before % GENERATION)
  if not keys then
    return true
  end
  local own = self.name .. ":" .. key
  for i = 1, #keys do
    if keys[i] == own then
      return true
    end
  end
  return false
end


-- Calls the callback. Answers value, error text, level, the options the value was kept by.
local function load(self, key, life, callback, ...)
  local before = cache_sequence()
  local ok, value, err, ttl = xpcall(callback, debug.traceback, ...)
  if not ok then
    return nil, "callback threw an error: " .. tostring(value)
  elseif err then
    err = tostring(err)
    local old = life.resurrect_ttl and outdated(self, key)
    if old ~= nil then
      return values.resurrect(keep, self, key, old, life, err)
    end
    return nil, err
  end
  local kept = values.life_of(life, value, ttl)
  if not kept or not native.is_current() or is_outdated(self, key, before) then
    return value, nil, 3, kept or { ttl = ttl, neg_ttl = ttl }
  end
  value, err = keep(self, key, value, kept)
  return value, err, 3, kept
end


-- Ends a flight whatever came of it.
local function landed(flight, ...)
  if flight then
    flight:land()
  end
  return ...
end


local function fetch(self, key, life, callback, ...)
  local value, expires = shared(self, key)
  if value ~= nil then
    local err
    value, err = promote(self, key, value, expires, life.l1_serializer)
    return value, err, 2
  elseif not callback then
    return nil, nil, -1
  end

  local flight, err = native.cache_board(self.name .. ":" .. key)
  if err then
    return nil, "could not acquire callback lock: " .. err
  elseif not flight then
    value = recall(self, key)
    if value ~= nil then
      return value, nil, 2
    end
    return fetch(self, key, life, callback, ...)
  end
  return landed(flight, load(self, key, life, callback, ...))
end


-- ---- the interface --------------------------------------------------------------------------

local function check_key(key)
  if type(key) ~= "string" then
    error("key must be a string", 3)
  end
end


local function check_call(self, opts, callback)
  if callback ~= nil and type(callback) ~= "function" then
    error("callback must be nil or a function", 3)
  end
  local life, err = options.of_call(self, opts)
  if not life then
    error(err, 3)
  end
  return life
end


-- A cache by name; one with the same name is the same cache. Options: ttl, neg_ttl, resurrect_ttl in
-- seconds, 0 for ever; shm_name, which is the name where only options are given.
function _M.new(name, opts)
  if type(name) == "table" then
    name, opts = name.shm_name, name
    if type(name) ~= "string" then
      error("opts.shm_name must be a string", 2)
    end
  end
  opts = opts or {}
  local self = caches[name]
  if not self then
    local shm_name = opts.shm_name or name
    self = setmetatable({
      name = name,
      dict = ngx.shared[shm_name],
      misses = ngx.shared[shm_name .. "_miss"] or ngx.shared[shm_name],
      ttl = max(opts.ttl or 3600, 0),
      neg_ttl = max(opts.neg_ttl or 300, 0),
      resurrect_ttl = opts.resurrect_ttl or 30,
      sequence = cache_sequence(),
    }, mt)
    clear(self)
    caches[name] = self
  end
  return self
end


-- Another cache over the same dictionary.
function _M:sibling(name)
  return _M.new(name, { shm_name = "kong_db_cache", ttl = self.ttl, neg_ttl = self.neg_ttl })
end


-- The value of a key, loaded by `callback(...)` if need be: it returns the value, an error, a ttl.
-- Answers value, error, level.
function _M:get(key, opts, callback, ...)
  check_key(key)
  catch_up(self)
  local value, level = recall(self, key), 1
  if value == nil then
    local err
    value, err, level = fetch(self, key, check_call(self, opts, callback), callback, ...)
    if err then
      return nil, "failed to get from node cache: " .. err
    end
  end
  if value == NIL then
    return nil, nil, level
  end
  return value, nil, level
end


-- Loads the value of a key anew. Answers value, error, ttl.
function _M:renew(key, opts, callback, ...)
  check_key(key)
  local life = check_call(self, opts, callback)
  local value, err, _, kept = load(self, key, life, callback, ...)
  if err then
    return nil, "failed to renew key in node cache: " .. err
  end
  native.cache_invalidate(self.name .. ":" .. key)
  kept = kept or life
  if value == nil or value == NIL then
    return nil, nil, kept.neg_ttl
  end
  return value, nil, kept.ttl
end


-- Several keys at once: a list of key, options, callback, argument, four by four, with `n` fours.
function _M:get_bulk(bulk, opts)
  if type(bulk) ~= "table" then
    error("bulk must be a table", 2)
  elseif opts ~= nil and type(opts) ~= "table" then
    error("opts must be a table", 2)
  end
  local results = { n = 0 }
  for i = 1, bulk.n * 4, 4 do
    local value, err, level = self:get(bulk[i], bulk[i + 1], bulk[i + 2], bulk[i + 3])
    local n = results.n
    results[n + 1], results[n + 2], results[n + 3] = value, err, level
    results.n = n + 3
  end
  return results
end


-- Seconds left, error, value of a key, without loading it; nil for one that is not there.
function _M:probe(key)
  check_key(key)
  local value, expires = shared(self, key)
  if value == nil then
    return nil
  end
  local left = expires == 0 and 0 or expires - now()
  if value == NIL then
    return left, nil, nil
  end
  return left, nil, value
end


-- Stores a value.
function _M:safe_set(key, value)
  check_key(key)
  keep(self, key, value, self)
  return true
end


-- Drops a key in all workers of this node.
function _M:invalidate_local(key)
  check_key(key)
  ngx.log(ngx.DEBUG, "[DB cache] ", self.name, " invalidating (local): '", key, "'")
  forget(self, key)
  if self.dict then
    self.dict:delete(shared_key(self, key))
    self.misses:delete(shared_key(self, key))
  end
  native.cache_invalidate(self.name .. ":" .. key)
end


-- Drops a key in all nodes.
function _M:invalidate(key)
  check_key(key)
  self:invalidate_local(key)
  local ok, err = kong.cluster_events:broadcast(CHANNELS[self.name] or "invalidations_" .. self.name, key)
  if not ok then
    ngx.log(ngx.ERR, "[DB cache] failed to broadcast cached entity invalidation: ", err)
  end
end


-- Drops everything in all workers of this node.
function _M:purge()
  ngx.log(ngx.NOTICE, "[DB cache] purging (local) cache")
  clear(self)
  if self.dict then
    self.dict:flush_all()
    self.misses:flush_all()
  end
  native.cache_invalidate_all()
end


return _M
