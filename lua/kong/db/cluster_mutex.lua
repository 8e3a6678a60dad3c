--- `kong.db:cluster_mutex()`: one node and worker at a time.

local concurrency = require "kong.concurrency"
local native = require "kong.native"

local error, getmetatable, min, pairs, pcall, tostring, type =
  error, getmetatable, math.min, pairs, pcall, tostring, type
local sleep = ngx.sleep

-- Seconds that a lock is held at most, where nothing is asked.
local LIFETIME = 60

-- Seconds between looks at another's lock, at first and at most.
local FIRST_WAIT, LONGEST_WAIT = 0.1, 2

local KINDS = { ttl = "number", owner = "string", no_wait = "boolean", no_cleanup = "boolean" }


local function check(key, opts, cb)
  if type(key) ~= "string" then
    error("key must be a string", 3)
  elseif opts ~= nil and type(opts) ~= "table" then
    error("opts must be a table", 3)
  end
  for name, kind in pairs(opts and KINDS or {}) do
    if opts[name] and type(opts[name]) ~= kind then
      error("opts." .. name .. " must be a " .. kind, 3)
    end
  end
  local mt = getmetatable(cb)
  if type(cb) ~= "function" and not (mt and type(mt.__call) == "function") then
    error("cb must be a function", 3)
  end
end


local function text_of(err)
  return type(err) == "table" and err.message or tostring(err)
end


-- Waits until another has given its lock back. Answers false then; nil and an error.
local function wait_for(key, ttl)
  local step, waited = FIRST_WAIT, 0
  while true do
    sleep(step)
    waited = waited + step
    if waited >= ttl then
      return nil, "timeout"
    end
    local owner, err = native.store_lock_owner(key)
    if owner == nil then
      return nil, "failed to read cluster lock: " .. text_of(err)
    elseif not owner then
      return false
    end
    step = min(step * 3, LONGEST_WAIT)
  end
end


-- Takes the lock of the database, in the order in which coroutines of this worker ask: their questions go
-- over several connections.
local function take(key, owner, ttl)
  return concurrency.with_coroutine_mutex({ name = "cluster_mutex", timeout = ttl }, function()
    return native.store_take_lock(key, owner, ttl)
  end)
end


-- Calls the function while this node has the lock, with this worker being the only one to ask.
local function run_locked(key, opts, cb)
  local ttl, owner = opts.ttl or LIFETIME, opts.owner or kong.node.get_id()
  local taken, err = take(key, owner, ttl)
  if taken == nil then
    return nil, "failed to insert cluster lock: " .. text_of(err)
  elseif not taken then
    if opts.no_wait then
      return false
    end
    return wait_for(key, ttl)
  end
  local ok, failure = pcall(cb)
  if not opts.no_cleanup then
    native.store_release_lock(key, owner)
  end
  if not ok then
    return nil, "cluster_mutex callback threw an error: " .. tostring(failure)
  end
  return true
end


--- Calls a function in one of all workers of all nodes that ask for it at a time.
-- @param opts `ttl` in seconds, `owner`, `no_wait`, `no_cleanup`
-- @return true after the call; false where another one made it meanwhile; nil and an error
return function(self, key, opts, cb)
  check(key, opts, cb)
  opts = opts or {}
  local ttl = opts.ttl or LIFETIME
  local done, err = concurrency.with_worker_mutex({ name = key, timeout = ttl }, function(elapsed)
    if elapsed ~= 0 then
      -- whoever was first here is through
      return false
    end
    return run_locked(key, opts, cb)
  end)
  if done == nil then
    return nil, "[" .. self.infos.strategy .. " error] " .. tostring(err)
  end
  return done
end
