-- resty.mlcache: values by key in levels: this VM (1), a shared dictionary (2), a callback (3).
--
-- The dictionary holds, for each key, the value with the time it was stored at and how long it is
-- good. A miss is a value as well. Invalidations reach other workers through an IPC module.
local buffer = require "string.buffer"
local lrucache = require "resty.lrucache"
local resty_lock = require "resty.lock"

local decode, encode = buffer.decode, buffer.encode
local ngx = ngx
local now, shared = ngx.now, ngx.shared
local error, ipairs, pairs, pcall, setmetatable, tostring, type, xpcall =
  error, ipairs, pairs, pcall, setmetatable, tostring, type, xpcall
local traceback = debug.traceback
local spawn, wait = ngx.thread.spawn, ngx.thread.wait
local max, min = math.max, math.min

local NIL = {}
local LOCK = "lua-resty-mlcache:lock:"
local CHANNEL = "mlcache:"
local PURGED, INVALIDATED = "purge", "invalidation"
local CONCURRENCY = 3
local STALE_FLAG = 1
local FULL = "no memory"

local _M = { _VERSION = "2.7.0", NIL = NIL }
local mt = { __index = _M }

-- Level 1 of caches with one name is one.
local first_levels = setmetatable({}, { __mode = "v" })


-- ---- options --------------------------------------------------------------------------------

local function check_number(opts, name, above)
  local value = opts[name]
  if value == nil then
    return
  end
  if type(value) ~= "number" then
    return "opts." .. name .. " must be a number"
  elseif value < above then
    return "opts." .. name .. " must be >= " .. above
  end
end

local function check_common(opts)
  local err = check_number(opts, "ttl", 0) or check_number(opts, "neg_ttl", 0)
    or check_number(opts, "resurrect_ttl", 0)
  if err then
    return err
  end
  if opts.l1_serializer ~= nil and type(opts.l1_serializer) ~= "function" then
    return "opts.l1_serializer must be a function"
  end
  if opts.resty_lock_opts ~= nil and type(opts.resty_lock_opts) ~= "table" then
    return "opts.resty_lock_opts must be a table"
  end
  local tries = opts.shm_set_tries
  if tries ~= nil then
    if type(tries) ~= "number" then
      return "opts.shm_set_tries must be a number"
    elseif tries < 1 then
      return "opts.shm_set_tries must be >= 1"
    end
  end
end

local function check_options(opts)
  local err = check_common(opts)
  if err then
    error(err, 3)
  end
  if opts.lru_size ~= nil and type(opts.lru_size) ~= "number" then
    error("opts.lru_size must be a number", 3)
  end
  for _, name in ipairs { "shm_miss", "shm_locks", "ipc_shm" } do
    if opts[name] ~= nil and type(opts[name]) ~= "string" then
      error("opts." .. name .. " must be a string", 3)
    end
  end
  if opts.ipc ~= nil then
    if opts.ipc_shm then
      error("cannot specify both of opts.ipc_shm and opts.ipc", 3)
    elseif type(opts.ipc) ~= "table" then
      error("opts.ipc must be a table", 3)
    end
    for _, name in ipairs { "register_listeners", "broadcast", "poll" } do
      local value = opts.ipc[name]
      if name == "poll" and value ~= nil and type(value) ~= "function" then
        error("opts.ipc.poll must be a function", 3)
      elseif name ~= "poll" and type(value) ~= "function" then
        error("opts.ipc." .. name .. " must be a function", 3)
      end
    end
  end
end


local function listen(self, ipc)
  local events = {
    [INVALIDATED] = {
      channel = CHANNEL .. "invalidations:" .. self.name,
      handler = function(key)
        self.lru:delete(key)
      end,
    },
    [PURGED] = {
      channel = CHANNEL .. "purge:" .. self.name,
      handler = function()
        self.lru:flush_all()
      end,
    },
  }
  self.events = events
  if ipc then
    self.broadcast = ipc.broadcast
    self.poll = ipc.poll
    return ipc.register_listeners(events)
  end
  return true
end

local function own_ipc(name)
  local module = require "resty.mlcache.ipc"
  local ipc, err = module.new(name, false)
  if not ipc then
    return nil, "failed to initialize mlcache IPC (could not instantiate mlcache.ipc): " .. err
  end
  return {
    register_listeners = function(events)
      for _, event in pairs(events) do
        ipc:subscribe(event.channel, event.handler)
      end
    end,
    broadcast = function(channel, data) return ipc:broadcast(channel, data) end,
    poll = function(timeout) return ipc:poll(timeout) end,
  }
end


function _M.new(name, shm, opts)
  if type(name) ~= "string" then
    error("name must be a string", 2)
  elseif type(shm) ~= "string" then
    error("shm must be a string", 2)
  end
  if opts ~= nil and type(opts) ~= "table" then
    error("opts must be a table", 2)
  end
  opts = opts or {}
  check_options(opts)
  local dict = shared[shm]
  if not dict then
    return nil, "no such lua_shared_dict: " .. shm
  end
  local others = {}
  for option, field in pairs { shm_miss = "misses", shm_locks = "locks" } do
    if opts[option] then
      others[field] = shared[opts[option]]
      if not others[field] then
        return nil, "no such lua_shared_dict for opts." .. option .. ": " .. opts[option]
      end
    end
  end
  local self = setmetatable({
    name = name, dict = dict, misses = others.misses,
    lock_name = opts.shm_locks or shm,
    ttl = opts.ttl or 30, neg_ttl = opts.neg_ttl or 5, resurrect_ttl = opts.resurrect_ttl,
    resty_lock_opts = opts.resty_lock_opts or {}, l1_serializer = opts.l1_serializer,
    shm_set_tries = opts.shm_set_tries or 3, shm = shm,
  }, mt)
  if opts.lru then
    self.lru = opts.lru
  else
    local key = name .. ":" .. shm
    self.lru = first_levels[key] or lrucache.new(opts.lru_size or 100)
    first_levels[key] = self.lru
  end
  local ipc = opts.ipc
  if opts.ipc_shm then
    local err
    ipc, err = own_ipc(opts.ipc_shm)
    if not ipc then
      return nil, err
    end
  end
  local _, listen_err = listen(self, ipc)
  if listen_err then
    return nil, "failed to initialize custom IPC (opts.ipc.register_listeners returned an error): "
      .. listen_err
  end
  return self
end


-- ---- levels ---------------------------------------------------------------------------------

local function key_of(self, key)
  return self.name .. key
end

local function set_first(self, key, value, ttl, serializer)
  if value ~= nil and value ~= NIL and serializer then
    local ok, made, err = pcall(serializer, value)
    if not ok then
      return nil, "l1_serializer threw an error: " .. tostring(made)
    elseif err then
      return nil, err
    elseif made == nil then
      return nil, "l1_serializer returned a nil value"
    end
    value = made
  end
  if value == nil then
    value = NIL
  end
  self.lru:set(key, value, ttl ~= 0 and ttl or nil)
  return value
end

local KINDS = { number = true, boolean = true, string = true, table = true, ["nil"] = true }

local function store(self, key, value, ttl, neg_ttl, flags, tries)
  if not KINDS[type(value)] then
    error("cannot cache value of type " .. type(value))
  end
  local missing = value == nil
  local dict = missing and self.misses or self.dict
  local time = missing and neg_ttl or ttl
  local text = encode { v = value, at = now(), ttl = time, miss = missing }
  local ok, err
  for _ = 1, tries do
    ok, err = dict:set(key_of(self, key), text, time, flags or 0)
    if ok or err ~= FULL then
      break
    end
  end
  if not ok then
    if err == FULL then
      ngx.log(ngx.WARN, "could not write to lua_shared_dict '", self.shm, "' after ", tries,
              " tries (no memory), it is either fragmented or cannot allocate more memory, ",
              "consider increasing 'opts.shm_set_tries'")
      return true
    end
    return nil, "could not write to lua_shared_dict '" .. self.shm .. "': " .. err
  end
  return true
end

-- The entry of level 2: `{ v, at, ttl, miss }`, whether it is outdated, and its flags.
local function recall(self, key)
  local text, flags, stale = self.dict:get_stale(key_of(self, key))
  if text == nil and flags ~= nil and type(flags) == "string" then
    return nil, "could not read from lua_shared_dict '" .. self.shm .. "': " .. flags
  end
  if text == nil and self.misses then
    text, flags, stale = self.misses:get_stale(key_of(self, key))
  end
  if text == nil then
    return nil
  end
  return decode(text), nil, stale, flags
end

local function left_of(entry)
  if entry.ttl == 0 then
    return 0
  end
  return entry.ttl - (now() - entry.at)
end


local function options_of(self, opts)
  if opts == nil then
    return self
  end
  if type(opts) ~= "table" then
    error("opts must be a table", 3)
  end
  local err = check_common(opts)
  if err then
    error(err, 3)
  end
  return {
    ttl = opts.ttl or self.ttl, neg_ttl = opts.neg_ttl or self.neg_ttl,
    resurrect_ttl = opts.resurrect_ttl or self.resurrect_ttl,
    l1_serializer = opts.l1_serializer or self.l1_serializer,
    resty_lock_opts = opts.resty_lock_opts or self.resty_lock_opts,
    shm_set_tries = opts.shm_set_tries or self.shm_set_tries,
  }
end

local function plain(value)
  if value == NIL then
    return nil
  end
  return value
end


local function unlock(lock, ...)
  local ok, err = lock:unlock()
  if not ok and err ~= "unlocked" then
    return nil, "could not unlock callback: " .. err
  end
  return ...
end

-- Takes an entry of level 2 into level 1.
local function promote(self, key, entry, o)
  local value, err = set_first(self, key, entry.v, left_of(entry), o.l1_serializer)
  if err then
    return nil, err
  end
  return plain(value), nil, 2
end

-- An outdated value is good for a little longer, since a new one cannot be had.
local function resurrect(self, key, entry, o, reason)
  ngx.log(ngx.WARN, "callback returned an error (", tostring(reason), ") but stale value found ",
          "in shm will be resurrected for ", o.resurrect_ttl, "s (resurrect_ttl)")
  local ok, err = store(self, key, entry.v, o.resurrect_ttl, o.resurrect_ttl, STALE_FLAG, o.shm_set_tries)
  if not ok then
    return nil, err
  end
  local value
  value, err = set_first(self, key, entry.v, o.resurrect_ttl, o.l1_serializer)
  if err then
    return nil, err
  end
  return plain(value), nil, 4
end

local function describe(err)
  return traceback(tostring(err), 2)
end

local function load(self, key, o, stale, callback, ...)
  local ok, value, err, ttl = xpcall(callback, describe, ...)
  if not ok then
    return nil, "callback threw an error: " .. tostring(value)
  end
  if err ~= nil then
    if o.resurrect_ttl and stale then
      return resurrect(self, key, stale, o, err)
    end
    return value, tostring(err)
  end
  local good, bad = o.ttl, o.neg_ttl
  if type(ttl) == "number" then
    if ttl < 0 then
      return value, nil, 3
    end
    good, bad = ttl, ttl
  end
  local stored, store_err = store(self, key, value, good, bad, nil, o.shm_set_tries)
  if not stored then
    return nil, store_err
  end
  local made, made_err = set_first(self, key, value, value == nil and bad or good, o.l1_serializer)
  if made_err then
    return nil, made_err
  end
  return plain(made), nil, 3
end

local function load_alone(self, key, o, stale, callback, ...)
  local lock, err = resty_lock:new(self.lock_name, o.resty_lock_opts)
  if not lock then
    return nil, "could not create lock: " .. err
  end
  local elapsed
  elapsed, err = lock:lock(LOCK .. key_of(self, key))
  if not elapsed and err ~= "timeout" then
    return nil, "could not acquire callback lock: " .. err
  end
  if not elapsed or elapsed > 0 then
    -- Somebody else may have loaded it meanwhile.
    local entry, read_err, outdated = recall(self, key)
    if read_err then
      return unlock(lock, nil, read_err)
    end
    if entry and (not outdated) then
      if not elapsed then
        return promote(self, key, entry, o)
      end
      return unlock(lock, promote(self, key, entry, o))
    end
    if not elapsed then
      if entry and o.resurrect_ttl then
        return entry.v, nil, 4
      end
      return nil, "could not acquire callback lock: timeout"
    end
  end
  return unlock(lock, load(self, key, o, stale, callback, ...))
end


-- ---- methods --------------------------------------------------------------------------------

function _M:get(key, opts, callback, ...)
  if type(key) ~= "string" then
    error("key must be a string", 2)
  elseif callback ~= nil and type(callback) ~= "function" then
    error("callback must be nil or a function", 2)
  end
  local value = self.lru:get(key)
  if value ~= nil then
    return plain(value), nil, 1
  end
  local o = options_of(self, opts)
  local entry, err, outdated, flags = recall(self, key)
  if err then
    return nil, err
  end
  if entry and not outdated then
    local promoted, promote_err, level = promote(self, key, entry, o)
    if promote_err then
      return nil, promote_err
    end
    return promoted, nil, flags == STALE_FLAG and 4 or level
  end
  if not callback then
    return nil, nil, -1
  end
  return load_alone(self, key, o, entry, callback, ...)
end


function _M:peek(key, stale)
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  local entry, err, outdated = recall(self, key)
  if err then
    return nil, err
  end
  if not entry or outdated and not stale then
    return nil
  end
  return left_of(entry), nil, entry.v, outdated
end


local function require_broadcast(self, what)
  if not self.broadcast then
    error("no ipc to propagate " .. what .. ", specify opts.ipc_shm or opts.ipc", 3)
  end
end

local function broadcast(self, event, data)
  local _, err = self.broadcast(self.events[event].channel, data)
  if err then
    return nil, "could not broadcast " .. (event == PURGED and "purge" or "invalidation") .. ": " .. err
  end
  return true
end


function _M:set(key, opts, value)
  require_broadcast(self, "update")
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  local o = options_of(self, opts)
  local ttl = value == nil and o.neg_ttl or o.ttl
  local made, err = set_first(self, key, value, ttl, o.l1_serializer)
  if not made then
    return nil, err
  end
  local ok
  ok, err = store(self, key, value, o.ttl, o.neg_ttl, nil, o.shm_set_tries)
  if not ok then
    return nil, err
  end
  return broadcast(self, INVALIDATED, key)
end


function _M:delete(key)
  require_broadcast(self, "deletion")
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  for _, dict in ipairs { self.dict, self.misses } do
    local ok, err = dict:delete(key_of(self, key))
    if not ok then
      return nil, "could not delete from shm: " .. err
    end
  end
  self.lru:delete(key)
  return broadcast(self, INVALIDATED, key)
end


function _M:purge(flush_expired)
  require_broadcast(self, "purge")
  if not self.lru.flush_all then
    error("cannot purge when using custom LRU cache with OpenResty < 1.13.6.2", 2)
  end
  for _, dict in ipairs { self.dict, self.misses } do
    dict:flush_all()
    if flush_expired then
      dict:flush_expired()
    end
  end
  self.lru:flush_all()
  return broadcast(self, PURGED, "")
end


-- Hears of what other workers invalidated.
function _M:update(limit)
  local poll = self.poll
  if not poll then
    error("no polling configured, specify opts.ipc_shm or opts.ipc.poll", 2)
  end
  local _, err = poll(limit)
  if err then
    return nil, "could not poll ipc events: " .. err
  end
  return true
end


-- ---- several at once ------------------------------------------------------------------------

local bulk_mt = {
  __index = {
    add = function(self, key, opts, callback, argument)
      local at = 4 * self.n
      self[at + 1], self[at + 2], self[at + 3], self[at + 4] = key, opts, callback, argument
      self.n = self.n + 1
    end,
  },
}

function _M.new_bulk()
  return setmetatable({ n = 0 }, bulk_mt)
end


function _M:get_bulk(bulk, opts)
  if type(bulk) ~= "table" then
    error("bulk must be a table", 2)
  elseif opts ~= nil and type(opts) ~= "table" then
    error("opts must be a table", 2)
  elseif type(bulk.n) ~= "number" then
    error("bulk must have n field", 2)
  end
  local concurrency = opts and opts.concurrency
  if concurrency ~= nil then
    if type(concurrency) ~= "number" then
      error("opts.concurrency must be a number", 2)
    elseif concurrency <= 0 then
      error("opts.concurrency must be > 0", 2)
    end
  end
  for i = 1, bulk.n do
    local at = 4 * (i - 1)
    if type(bulk[at + 1]) ~= "string" then
      error("key at index " .. at + 1 .. " must be a string for operation " .. i
            .. " (got " .. type(bulk[at + 1]) .. ")", 2)
    elseif type(bulk[at + 3]) ~= "function" then
      error("callback at index " .. at + 3 .. " must be a function for operation " .. i
            .. " (got " .. type(bulk[at + 3]) .. ")", 2)
    end
  end

  local results = { n = bulk.n * 3 }
  local next_one = 0
  local function work()
    while next_one < bulk.n do
      local i = next_one
      next_one = next_one + 1
      local at, into = 4 * i, 3 * i
      results[into + 1], results[into + 2], results[into + 3] =
        self:get(bulk[at + 1], bulk[at + 2], bulk[at + 3], bulk[at + 4])
    end
  end

  local threads = {}
  for i = 1, max(0, min(concurrency or CONCURRENCY, bulk.n) - 1) do
    threads[i] = spawn(work)
  end
  work()
  for _, thread in ipairs(threads) do
    local ok, err = wait(thread)
    if not ok then
      return nil, "could not wait for thread: " .. tostring(err)
    end
  end
  return results
end


local function next_result(results, i)
  local n = i + 1
  local at = 3 * i
  if at >= results.n then
    return nil
  end
  return n, results[at + 1], results[at + 2], results[at + 3]
end

function _M.each_bulk_res(results)
  if not results.n then
    error("res must have res.n field; is this a get_bulk() result?", 2)
  end
  return next_result, results, 0
end


return _M
