-- resty.timerng: timers with names, that can be cancelled and counted.
--
-- Timers of the host cost little, so that each is one of them; there is no wheel to turn.
local ngx = ngx
local now = ngx.now
local error, pairs, pcall, setmetatable, tostring, type = error, pairs, pcall, setmetatable, tostring, type

local _M = {}
local mt = { __index = _M }


function _M.new(options)
  if options ~= nil and type(options) ~= "table" then
    error("options must be a table", 2)
  end
  return setmetatable({ jobs = {}, count = 0, enabled = false, frozen = false }, mt)
end

function _M:start()
  self.enabled, self.frozen = true, false
  return true
end

function _M:freeze()
  self.frozen = true
end

function _M:unfreeze()
  self.frozen = false
end

function _M:destroy()
  self.enabled = false
  for name in pairs(self.jobs) do
    self:cancel(name)
  end
end


local function run(premature, self, job, ...)
  if job.cancelled or (self.frozen and not premature) then
    return
  end
  local began = now()
  job.runs = job.runs + 1
  local ok, err = pcall(job.callback, premature, ...)
  local took = now() - began
  job.last_took, job.longest = took, took > job.longest and took or job.longest
  if not ok then
    job.failures = job.failures + 1
    job.last_err = tostring(err)
    ngx.log(ngx.ERR, "[timer-ng] failed to run timer ", job.name, ": ", job.last_err)
  end
  if not job.repeats then
    self.jobs[job.name] = nil
  end
end

local function create(self, name, delay, callback, repeats, ...)
  if type(delay) ~= "number" or delay < 0 or repeats and delay == 0 then
    error(repeats and "interval must be greater than 0" or "delay must be greater than or equal to 0", 3)
  elseif type(callback) ~= "function" then
    error("callback must be a function", 3)
  end
  if not self.enabled then
    return false, "the timer module is not started"
  end
  if not name then
    self.count = self.count + 1
    name = "unix_timestamp=" .. now() .. ";counter=" .. self.count
  elseif self.jobs[name] then
    return false, "already exists timer"
  end
  local job = {
    name = name, callback = callback, repeats = repeats, runs = 0, failures = 0, longest = 0, last_took = 0,
    last_err = "",
  }
  local ok, err = (repeats and ngx.timer.every or ngx.timer.at)(delay, run, self, job, ...)
  if not ok then
    return false, err
  end
  self.jobs[name] = job
  return name
end


function _M:at(delay, callback, ...)
  return create(self, nil, delay, callback, false, ...)
end

function _M:named_at(name, delay, callback, ...)
  return create(self, name, delay, callback, false, ...)
end

function _M:every(interval, callback, ...)
  return create(self, nil, interval, callback, true, ...)
end

function _M:named_every(name, interval, callback, ...)
  return create(self, name, interval, callback, true, ...)
end


function _M:is_managed(name)
  return self.jobs[name] ~= nil
end

function _M:cancel(name)
  local job = self.jobs[name]
  if not job then
    return false, "timer not found"
  end
  job.cancelled = true
  self.jobs[name] = nil
  return true
end


function _M:stats(options)
  local jobs, count = {}, 0
  for name, job in pairs(self.jobs) do
    count = count + 1
    jobs[name] = {
      name = name, meta = { name = name }, elapsed_time = { max = job.longest, last = job.last_took },
      runs = job.runs, faults = job.failures, last_err_msg = job.last_err,
    }
  end
  local stats = {
    sys = {
      running = ngx.timer.running_count(), pending = ngx.timer.pending_count(),
      waiting = count, total = count,
    },
  }
  if not options or options.verbose then
    stats.timers = jobs
  end
  return stats
end


return _M
