--- Metrics in the text format of Prometheus (0.0.4).
--
-- Counters and histograms are sums of all workers: they live in a shared dictionary, one key for each series,
-- and every worker adds what it counted now and then. Gauges may be local: kept by the VM that sets them.

local resty_counter = require "resty.counter"
local validate_utf8 = require("kong.tools.string").validate_utf8
local yield = require("kong.tools.yield").yield

local ngx = ngx
local concat, ipairs, pairs, setmetatable, sort = table.concat, ipairs, pairs, setmetatable, table.sort
local find, fmt, gsub, match = string.find, string.format, string.gsub, string.match
local rep, sub, tostring, type = string.rep, string.sub, tostring, type

-- Seconds between two writes of a worker, and how many lines are written at a time.
local INTERVAL, LINES = 1, 100
-- Seconds until a worker writes what it counted of requests.
local SOON = 0.01
local ERRORS = "nginx_metric_errors_total"

local Prometheus = { LOCAL_STORAGE = true, SOON = SOON }
Prometheus.__index = Prometheus


-- ---- series ---------------------------------------------------------------------------------

local ESCAPES = { ["\\"] = [[\\]], ['"'] = [[\"]] }


local function quoted(value)
  if type(value) == "string" then
    local valid, at = validate_utf8(value)
    if not valid then
      value = sub(value, 1, (at or 1) - 1)
    end
    value = gsub(value, '[\\"]', ESCAPES)
  end
  return '"' .. tostring(value) .. '"'
end


-- The name of a series: `name{label="value",…}`.
local function series(name, labels, values, last)
  local parts = {}
  for i, label in ipairs(labels or {}) do
    parts[i] = label .. "=" .. quoted(values[i])
  end
  parts[#parts + 1] = last
  if not parts[1] then
    return name
  end
  return name .. "{" .. concat(parts, ",") .. "}"
end


-- What `make(metric, values)` made of label values when they were first seen.
local function known(metric, values, make)
  local labels = metric.labels
  if (labels and #labels or 0) ~= (values and #values or 0) then
    return nil
  end
  local id = values and concat(values, "\31") or ""
  local found = metric.known[id]
  if not found then
    found = make(metric, values)
    metric.known[id] = found
  end
  return found
end


local function single(metric, values)
  return series(metric.name, metric.labels, values)
end


local function note_error(metric, ...)
  metric.registry:log_error("metric ", metric.name, ": ", ...)
end


-- ---- kinds of metrics -----------------------------------------------------------------------

local Counter = { kind = "counter" }
Counter.__index = Counter


-- Adds to a counter; 1 unless a value is given.
function Counter:inc(value, values)
  local key = known(self, values, single)
  if not key then
    return note_error(self, "wrong number of labels")
  elseif value and value < 0 then
    return note_error(self, "value should not be negative")
  end
  self.registry._counter:incr(key, value or 1)
end


local Gauge = { kind = "gauge" }
Gauge.__index = Gauge


function Gauge:set(value, values)
  local key = known(self, values, single)
  if not key or not value then
    return note_error(self, key and "no value" or "wrong number of labels")
  elseif self.is_local then
    self.registry.gauges[key] = value
    return
  end
  local ok, err = self.registry.dict:set(key, value)
  if not ok then
    note_error(self, err)
  end
end


-- Forgets all series.
function Gauge:reset()
  for id, key in pairs(self.known) do
    self.known[id] = nil
    if self.is_local then
      self.registry.gauges[key] = nil
    else
      self.registry.dict:delete(key)
    end
  end
end


local Histogram = { kind = "histogram" }
Histogram.__index = Histogram


local function all_series(metric, values)
  local keys = { count = series(metric.name .. "_count", metric.labels, values),
                 sum = series(metric.name .. "_sum", metric.labels, values) }
  local name = metric.name .. "_bucket"
  for i, bound in ipairs(metric.buckets) do
    keys[i] = series(name, metric.labels, values, 'le="' .. bound .. '"')
  end
  keys[#keys + 1] = series(name, metric.labels, values, 'le="+Inf"')
  return keys
end


function Histogram:observe(value, values)
  local keys = known(self, values, all_series)
  if not keys or not value then
    return note_error(self, keys and "no value" or "wrong number of labels")
  end
  local counter, buckets = self.registry._counter, self.buckets
  counter:incr(keys.count, 1)
  counter:incr(keys.sum, value)
  local last = #buckets
  counter:incr(keys[last + 1], 1)
  while last > 0 and value <= buckets[last] do
    counter:incr(keys[last], 1)
    last = last - 1
  end
end


-- ---- the registry ---------------------------------------------------------------------------

--- Begins a registry over a shared dictionary. `prefix` comes before all names that are shown.
function Prometheus.init(dictionary, prefix)
  local self = setmetatable({
    dictionary = dictionary, dict = ngx.shared[dictionary], prefix = prefix or "",
    metrics = {}, gauges = {},
  }, Prometheus)
  self:counter(ERRORS, "Number of nginx-lua-prometheus errors")
  self.dict:add(ERRORS, 0)
  if ngx.get_phase() ~= "init" then
    self:init_worker()
  end
  return self
end


local function write_soon(premature, self)
  self.is_writing = false
  if not premature then
    self._counter:sync()
  end
end


--- Has what this worker counted be written very soon: those who ask for the metrics ask another VM.
function Prometheus:sync_soon()
  if not self.is_writing then
    self.is_writing = ngx.timer.at(SOON, write_soon, self) and true or false
  end
end


--- Lets this worker count.
function Prometheus:init_worker()
  if not self._counter then
    local err
    self._counter, err = resty_counter.new(self.dictionary, INTERVAL)
    if not self._counter then
      ngx.log(ngx.ERR, "failed to begin counting: ", err)
    end
  end
end


function Prometheus:log_error(...)
  ngx.log(ngx.ERR, ...)
  self.dict:incr(ERRORS, 1, 0)
end


-- Why a metric cannot be; nothing if it can.
local function fault(self, name, labels)
  if not match(name, "^[%a_:][%w_:]*$") then
    return "Metric name '" .. name .. "' is invalid"
  elseif self.metrics[name] then
    return "Duplicate metric " .. name
  end
  for _, label in ipairs(labels or {}) do
    if not match(label, "^[%a_][%w_]*$") or label == "le" then
      return "Metric '" .. name .. "' label name '" .. label .. "' is invalid"
    end
  end
end


local function register(self, class, name, help, labels, more)
  local wrong = fault(self, name, labels)
  if wrong then
    return self:log_error(wrong)
  end
  local metric = more or {}
  metric.registry, metric.name, metric.help, metric.labels, metric.known = self, name, help, labels, {}
  self.metrics[name] = setmetatable(metric, class)
  return metric
end


function Prometheus:counter(name, help, labels)
  return register(self, Counter, name, help, labels)
end


function Prometheus:gauge(name, help, labels, is_local)
  return register(self, Gauge, name, help, labels, { is_local = is_local })
end


function Prometheus:histogram(name, help, labels, buckets)
  return register(self, Histogram, name, help, labels, { buckets = buckets })
end


-- ---- showing --------------------------------------------------------------------------------

-- The metric that a series belongs to.
local function metric_of(self, key)
  local name = match(key, "^[^{]+")
  return self.metrics[name] or self.metrics[match(name, "^(.*)_%a+$") or ""]
end


-- What orders series: bounds of buckets as numbers, `+Inf` last.
local function rank(key)
  if not find(key, '_bucket{', 1, true) then
    return key
  end
  return (gsub(key, 'le="([^"]*)"}$', function(bound)
    local whole = match(bound, "^%d+")
    return whole and rep("0", 20 - #whole) .. bound or "~"
  end))
end


-- Keys of series in order, and the value of each.
local function all_values(self, local_only)
  local keys, values, ranks = {}, {}, {}
  for key, value in pairs(self.gauges) do
    keys[#keys + 1], values[key] = key, value
  end
  for _, key in ipairs(local_only and {} or self.dict:get_keys(0)) do
    local value = self.dict:get(key)
    if value and values[key] == nil then
      keys[#keys + 1], values[key] = key, value
    end
    yield()
  end
  for _, key in ipairs(keys) do
    ranks[key] = rank(key)
  end
  sort(keys, function(one, other)
    return ranks[one] < ranks[other]
  end)
  return keys, values
end


--- Writes all metrics with `write`, or as the response. With `local_only` those of the dictionary are left
-- out.
function Prometheus:metric_data(write, local_only)
  write = write or ngx.print
  self._counter:sync()
  local keys, values = all_values(self, local_only)
  local lines, told, prefix = {}, {}, self.prefix
  for _, key in ipairs(keys) do
    local metric = metric_of(self, key)
    if metric and not told[metric] then
      told[metric] = true
      if metric.help then
        lines[#lines + 1] = fmt("# HELP %s%s %s\n", prefix, metric.name, metric.help)
      end
      lines[#lines + 1] = fmt("# TYPE %s%s %s\n", prefix, metric.name, metric.kind)
    end
    lines[#lines + 1] = fmt("%s%s %s\n", prefix, key, values[key])
    if #lines >= LINES then
      write(concat(lines))
      lines = {}
      yield()
    end
  end
  write(concat(lines))
end


return Prometheus
