-- One at a time: among the workers of a node, or among the coroutines of a worker.

local in_yieldable_phase = require("kong.tools.yield").in_yieldable_phase
local lock = require "resty.lock"
local semaphore = require "ngx.semaphore"

local error, ipairs, pcall, type = error, ipairs, pcall, type

-- Seconds to wait where nothing is asked.
local PATIENCE = 60
local ON_TIMEOUT = { run_unlocked = true, return_true = true }

-- Semaphores by the names of their mutexes.
local semaphores = {}

local _M = {}


-- Throws, in the name of the caller's caller, unless options have a name and these numbers.
local function check_options(opts, ...)
  if type(opts) ~= "table" then
    error("opts must be a table", 3)
  elseif type(opts.name) ~= "string" then
    error("opts.name is required and must be a string", 3)
  end
  for _, name in ipairs { ... } do
    if opts[name] and type(opts[name]) ~= "number" then
      error("opts." .. name .. " must be a number", 3)
    end
  end
end


-- Calls `fn(seconds waited)` while no other worker does under this name. Answers its result and error;
-- nil, "timeout" and how long the lock still holds where another kept it too long.
function _M.with_worker_mutex(opts, fn)
  check_options(opts, "timeout", "exptime")
  local timeout = opts.timeout or PATIENCE
  local held, err = lock:new("kong_locks", { timeout = timeout, exptime = opts.exptime or timeout })
  if not held then
    return nil, "failed to create worker lock: " .. err
  end
  local elapsed
  elapsed, err = held:lock(opts.name)
  if not elapsed then
    if err == "timeout" then
      return nil, err, held.dict and held.dict:ttl(opts.name)
    end
    return nil, "failed to acquire worker lock: " .. err
  end

  local ok, result, reason = pcall(fn, elapsed)
  held:unlock(opts.name)
  if not ok then
    return nil, result
  end
  return result, reason
end


local function semaphore_of(name)
  local known, err = semaphores[name], nil
  if not known then
    known, err = semaphore.new()
    if known then
      known:post(1)
    end
    semaphores[name] = known
  end
  return known, err
end


-- Calls `fn()` while no other coroutine of this worker does under this name; at once where the phase
-- may not wait. `opts.on_timeout` says what comes of waiting too long: "run_unlocked" calls it all
-- the same, "return_true" answers true.
function _M.with_coroutine_mutex(opts, fn)
  check_options(opts, "timeout")
  if opts.on_timeout and not ON_TIMEOUT[opts.on_timeout] then
    error("invalid value for opts.on_timeout", 2)
  elseif not in_yieldable_phase() then
    return fn()
  end

  local name = opts.name
  local mutex, err = semaphore_of(name)
  if not mutex then
    return nil, "failed to create " .. name .. " lock: " .. err
  end
  local locked
  locked, err = mutex:wait(opts.timeout or PATIENCE)
  if not locked then
    if err ~= "timeout" then
      return nil, "error attempting to acquire " .. name .. " lock: " .. err
    elseif opts.on_timeout == "return_true" then
      return true
    elseif opts.on_timeout ~= "run_unlocked" then
      return nil, "timeout acquiring " .. name .. " lock"
    end
    kong.log.warn("bypassing ", name, " lock: timeout")
  end

  local ok, result, reason = pcall(fn)
  if locked then
    mutex:post(1)
  end
  if not ok then
    return nil, result
  end
  return result, reason
end


return _M
