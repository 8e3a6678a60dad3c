-- resty.timerng: timers with names, that can be cancelled and counted.
--
-- Timers of the host cost little, so that each is one of them; there is no wheel to turn.
local ngx = ngx
local now = ngx.now
local concat, sort, floor, max, min = table.concat, table.sort, math.floor, math.max, math.min
local error, pairs, pcall, setmetatable, tostring, type = error, pairs, pcall, setmetatable, tostring, type

local _M = {}
local mt = { __index = _M }


function _M.new(options)
  if options ~= nil and type(options) ~= "table" then
    error("options must be a table", 2)
  end
  return setmetatable({ jobs = {}, count = 0, runs = 0, enabled = false, frozen = false }, mt)
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
  job.runs, job.is_running = job.runs + 1, true
  self.runs = self.runs + 1
  local ok, err = pcall(job.callback, premature, ...)
  local took = now() - began
  job.is_running, job.last_took, job.total = false, took, job.total + took
  job.longest, job.shortest = max(took, job.longest), min(took, job.shortest or took)
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
    name = name, callback = callback, repeats = repeats, runs = 0, failures = 0, last_err = "",
    longest = 0, last_took = 0, total = 0,
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


-- What a timer has done so far.
local function told(job)
  return {
    name = job.name, meta = { name = job.name },
    elapsed_time = { max = job.longest, min = job.shortest, avg = job.runs > 0 and job.total / job.runs or 0,
                     last = job.last_took },
    runs = job.runs, faults = job.failures, last_err_msg = job.last_err,
  }
end


-- Lines of a flame graph: a name and a number for each timer that `count` has one for.
local function folded(jobs, count)
  local lines = {}
  for name, job in pairs(jobs) do
    local number = count(job)
    if number > 0 then
      lines[#lines + 1] = name .. " " .. number
    end
  end
  sort(lines)
  return concat(lines, "\n")
end


-- Counts timers; with `verbose` tells of each, with `flamegraph` also as text to draw a flame graph of.
function _M:stats(options)
  local count = 0
  for _ in pairs(self.jobs) do
    count = count + 1
  end
  local stats = {
    sys = {
      running = ngx.timer.running_count(), pending = ngx.timer.pending_count(),
      waiting = count, total = count, runs = self.runs,
    },
  }
  if not options or options.verbose then
    stats.timers = {}
    for name, job in pairs(self.jobs) do
      stats.timers[name] = told(job)
    end
  end
  if options and options.flamegraph then
    stats.flamegraph = {
      running = folded(self.jobs, function(job) return job.is_running and 1 or 0 end),
      pending = folded(self.jobs, function(job) return job.is_running and 0 or 1 end),
      elapsed_time = folded(self.jobs, function(job) return floor(job.total * 1000) end),
    }
  end
  return stats
end


return _M
