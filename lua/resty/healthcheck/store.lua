-- What workers share of a health checker: its list of targets, their states and counters, and locks on them.

local buffer = require "string.buffer"
local resty_lock = require "resty.lock"

local ngx = ngx
local pcall, tostring = pcall, tostring

-- Seconds to wait for a lock, and after which it is free anyhow.
local WAIT, LOCK_EXPIRES = 5, 10

-- Phases that may wait.
local WAITING = { rewrite = true, access = true, content = true, timer = true }

local _M = {
  -- States, and as what they are kept.
  STATES = { "healthy", "unhealthy", "mostly_healthy", "mostly_unhealthy" },
  NUMBERS = { healthy = 1, unhealthy = 2, mostly_healthy = 3, mostly_unhealthy = 4 },
}


function _M.key(prefix, ip, port, hostname)
  return prefix .. ":" .. ip .. ":" .. port .. (hostname and ":" .. hostname or "")
end


local locked


-- Runs it soon, in a timer.
local function schedule(self, key, run)
  local ok, err = ngx.timer.at(0, function(premature)
    if premature then
      return
    end
    local done, why = locked(self, key, run)
    if not done then
      self:log(ngx.ERR, "locked function for key '", key, "' failed in timer: ", why)
    end
  end)
  if not ok then
    return nil, "failed scheduling locked function for key '" .. key .. "', " .. err
  end
  return "scheduled"
end


-- Runs a function under a lock; "scheduled" where it would have to wait and may not.
function locked(self, key, run)
  local may_wait = WAITING[ngx.get_phase()]
  local opts = { exptime = LOCK_EXPIRES, timeout = may_wait and WAIT or 0 }
  local lock, err = resty_lock:new(self.shm_name, opts)
  if not lock then
    return nil, "failed creating lock for '" .. key .. "', " .. err
  end
  local elapsed
  elapsed, err = lock:lock(key)
  if not elapsed and err == "timeout" and not may_wait then
    return schedule(self, key, run)
  elseif not elapsed then
    return nil, "failed acquiring lock for '" .. key .. "', " .. err
  end

  local ok, result, more = pcall(run)
  local unlocked
  unlocked, err = lock:unlock()
  if not unlocked then
    self:log(ngx.ERR, "failed unlocking '", key, "', ", err)
  end
  if not ok then
    return nil, "locked function threw an exception: " .. tostring(result)
  end
  return result, more
end


function _M.list(self)
  local text, err = self.shm:get(self.TARGET_LIST)
  if err then
    return nil, "failed to fetch target_list from shm: " .. err
  end
  return text and buffer.decode(text) or {}
end


function _M.save(self, list)
  local ok, err = self.shm:set(self.TARGET_LIST, buffer.encode(list))
  if not ok then
    return nil, "failed to store target_list in shm: " .. err
  end
  return true
end


-- `run(list)` under the lock on the list.
function _M.with_list(self, run)
  return locked(self, self.TARGET_LIST_LOCK, function()
    local list, err = _M.list(self)
    if not list then
      return nil, err
    end
    return run(list)
  end)
end


-- Runs under the lock on one target.
function _M.with_target(self, ip, port, hostname, run)
  return locked(self, _M.key(self.TARGET_LOCK, ip, port, hostname), run)
end


-- Forgets state and counters of a target.
function _M.forget(self, ip, port, hostname)
  self.shm:delete(_M.key(self.TARGET_STATE, ip, port, hostname))
  self.shm:delete(_M.key(self.TARGET_COUNTER, ip, port, hostname))
end


return _M
