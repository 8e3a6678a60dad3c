-- resty.timerng: timers that have names and can be paused and cancelled, over `ngx.timer`.

local ngx = ngx
local error, pairs, pcall, setmetatable, tostring, type = error, pairs, pcall, setmetatable, tostring, type

local _M = {}
local mt = { __index = _M }


-- ---- jobs -----------------------------------------------------------------------------------

local arm

-- Runs a job if it is still wanted, and arms it again if it repeats.
local function fire(premature, self, job, ...)
  if self.jobs[job.name] ~= job then
    return
  elseif job.paused or self.frozen then
    job.due = true
    return premature or arm(self, job, job.delay, ...)
  elseif not job.interval then
    self.jobs[job.name] = nil
  end
  self.running, self.runs = self.running + 1, self.runs + 1
  local ok, err = pcall(job.callback, premature, ...)
  self.running = self.running - 1
  job.stats.runs = job.stats.runs + 1
  if ok then
    job.stats.finish = job.stats.finish + 1
  else
    job.stats.last_err_msg = tostring(err)
    ngx.log(ngx.ERR, "timer ", job.name, " failed: ", err)
  end
  if job.interval and not premature and self.jobs[job.name] == job then
    arm(self, job, job.interval, ...)
  end
end

function arm(self, job, delay, ...)
  local ok, err = ngx.timer.at(delay, fire, self, job, ...)
  if not ok then
    self.jobs[job.name] = nil
    return nil, err
  end
  return job.name
end


local function check_job(name, delay, callback)
  if name ~= nil and type(name) ~= "string" then
    error("expected `name` to be a string", 3)
  elseif type(delay) ~= "number" then
    error("expected `delay` to be a number", 3)
  elseif delay < 0 then
    error("expected `delay` to be greater than or equal to 0", 3)
  elseif type(callback) ~= "function" then
    error("expected `callback` to be a function", 3)
  end
end


local function add(self, name, delay, interval, callback, ...)
  if not self.enable then
    return nil, "the timer module is not started"
  elseif not name then
    self.counter = self.counter + 1
    name = ("unix_timestamp=%f;counter=%d"):format(ngx.now(), self.counter)
  elseif self.jobs[name] then
    return nil, "already exists timer"
  end
  local job = {
    name = name, delay = delay, interval = interval, callback = callback,
    stats = { runs = 0, finish = 0, last_err_msg = "" },
  }
  self.jobs[name] = job
  return arm(self, job, delay, ...)
end


-- ---- the interface --------------------------------------------------------------------------

function _M.new()
  return setmetatable({ jobs = {}, counter = 0, running = 0, runs = 0, enable = false }, mt)
end


function _M:start()
  self.enable, self.frozen = true, false
  return true
end


-- Lets no timer run until `start` or `unfreeze`.
function _M:freeze()
  self.frozen = true
end


function _M:unfreeze()
  self.frozen = false
end


-- Cancels all timers.
function _M:destroy()
  self.enable, self.jobs = false, {}
end


function _M:set_debug() end


-- Calls back once, `delay` seconds from now. Answers the timer's name.
function _M:at(delay, callback, ...)
  check_job(nil, delay, callback)
  return add(self, nil, delay, nil, callback, ...)
end


function _M:named_at(name, delay, callback, ...)
  check_job(name, delay, callback)
  return add(self, name, delay, nil, callback, ...)
end


-- Calls back each `interval` seconds, from the end of one call to the start of the next.
function _M:every(interval, callback, ...)
  check_job(nil, interval, callback)
  return add(self, nil, interval, interval, callback, ...)
end


function _M:named_every(name, interval, callback, ...)
  check_job(name, interval, callback)
  return add(self, name, interval, interval, callback, ...)
end


local function job_of(self, name)
  if type(name) ~= "string" then
    error("expected `name` to be a string", 3)
  end
  local job = self.jobs[name]
  if not job then
    return nil, "timer not found"
  end
  return job
end


function _M:pause(name)
  local job, err = job_of(self, name)
  if not job then
    return nil, err
  elseif job.paused then
    return nil, "already paused"
  end
  job.paused = true
  return true
end


function _M:run(name)
  local job, err = job_of(self, name)
  if not job then
    return nil, err
  elseif not job.paused then
    return nil, "running"
  end
  job.paused = false
  return true
end


function _M:cancel(name)
  local job, err = job_of(self, name)
  if not job then
    return nil, err
  end
  self.jobs[name] = nil
  return true
end


function _M:is_managed(name)
  return self.jobs[name] ~= nil
end


-- Counts, and with `verbose` each timer by its name.
function _M:stats(options)
  local waiting, timers = 0, {}
  for name, job in pairs(self.jobs) do
    waiting = waiting + 1
    if options == true or type(options) == "table" and options.verbose then
      timers[name] = { name = name, stats = job.stats, is_running = false }
    end
  end
  local sys = { total = waiting, waiting = waiting, running = self.running, pending = 0, runs = self.runs }
  return { sys = sys, timers = timers }
end


return _M
