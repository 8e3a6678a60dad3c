-- The timer behind all health checkers of a worker: of the workers that have one, one does the rounds.

local probe = require "resty.healthcheck.probe"
local store = require "resty.healthcheck.store"

local ngx = ngx
local ipairs, max, pairs, setmetatable = ipairs, math.max, pairs, setmetatable

-- Seconds between two looks, after which another worker takes over, and between two clean-ups.
local INTERVAL, TAKEN_FOR, CLEAN_UP = 0.1, 1.5, 2.5
local OWNER = "lua-resty-healthcheck::period_lock:"

local checkers = setmetatable({}, { __mode = "v" })
local runs, last_clean_up = false, 0

local _M = {}


-- Whether it is this worker that does the rounds over a dictionary.
local function is_owner(shm)
  local me = ngx.worker.pid() .. "/" .. ngx.worker.id()
  local owner = shm:get(OWNER)
  if owner and owner ~= me or not owner and not shm:add(OWNER, me, TAKEN_FOR) then
    return false
  end
  shm:set(OWNER, me, TAKEN_FOR)
  return true
end


-- The targets of a checker that are well, or those that are not.
local function targets_that(self, are)
  local list, err = store.list(self)
  if not list then
    self:log(ngx.ERR, "checker_callback: ", err)
    return {}
  end
  local found = {}
  for _, target in ipairs(list) do
    local known = self:find(target.ip, target.port, target.hostname)
    local health = known and known.internal_health
    if health == are or health == "mostly_" .. are then
      found[#found + 1] = { ip = target.ip, port = target.port, hostname = target.hostname,
                            hostheader = target.hostheader, health = health }
    end
  end
  return found
end


local function check(self, are)
  if self.checker_callback_count then
    self.checker_callback_count = self.checker_callback_count + 1
  end
  local active = self.checks.active
  local key = self.CALLBACK_LOCK .. are
  local longest = max(active.healthy.active and active.healthy.interval or 0,
                      active.unhealthy.active and active.unhealthy.interval or 0)
  -- The round before may still go on.
  if not self.shm:add(key, true, (longest + active.timeout) * 2) then
    return
  end
  local list = targets_that(self, are)
  if not list[1] then
    self:log(ngx.DEBUG, "checking ", are, " targets: nothing to do")
    self.shm:delete(key)
    return
  end
  ngx.timer.at(0, function(premature)
    if not premature then
      self:log(ngx.DEBUG, "checking ", are, " targets: #", #list)
      probe.all(self, list)
    end
    self.shm:delete(key)
  end)
end


-- Removes targets whose time is over.
local function clean_up(self, now)
  store.with_list(self, function(list)
    local kept, gone = {}, {}
    for _, target in ipairs(list) do
      local to = target.purge_time and target.purge_time <= now and gone or kept
      to[#to + 1] = target
    end
    if not gone[1] then
      return true
    end
    local ok, err = store.save(self, kept)
    if not ok then
      return nil, err
    end
    for _, target in ipairs(gone) do
      store.forget(self, target.ip, target.port, target.hostname)
      self:raise_event("remove", target.ip, target.port, target.hostname)
    end
    return true
  end)
end


local function look(premature)
  if premature then
    return
  end
  local now = ngx.now()
  local cleans = now >= last_clean_up + CLEAN_UP
  if cleans then
    last_clean_up = now
  end
  for _, self in pairs(checkers) do
    if is_owner(self.shm) then
      if cleans then
        clean_up(self, now)
      end
      for _, are in ipairs { "healthy", "unhealthy" } do
        local of = self.checks.active[are]
        if of.active and of.last_run + of.interval <= now then
          of.last_run = now
          check(self, are)
        end
      end
    end
  end
end


-- Includes a checker, as long as somebody holds it.
function _M.add(self)
  checkers[#checkers + 1] = self
  if not runs then
    runs = true
    last_clean_up = ngx.now()
    return ngx.timer.every(INTERVAL, look)
  end
  return true
end


return _M
