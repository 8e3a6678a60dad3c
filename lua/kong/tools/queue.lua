-- Queues: entries are gathered and handed to a handler in batches, off the request path, and again if
-- it fails.
--
-- A queue exists while it has entries. One timer works on it, unless `concurrency_limit` is -1: then
-- each entry has a timer of its own.

local semaphore = require "ngx.semaphore"
local workspaces = require "kong.workspaces"

local assert, pairs, pcall, select, setmetatable, tostring, type =
  assert, pairs, pcall, select, setmetatable, tostring, type
local fmt, max, min = string.format, math.max, math.min

local CAPACITY_WARNING = 0.8
-- Seconds between two looks at whether the worker ends, and the least time waited for more entries.
local LOOK, SHORTEST_WAIT = 1, 0.05
-- Seconds before the same warning about old parameters is given again.
local WARN_AGAIN = 60

local OLD_PARAMETERS = {
  { name = "queue_size", default = 1, replaced = "max_batch_size" },
  { name = "flush_timeout", default = 2, replaced = "max_coalescing_delay" },
  { name = "batch_span_count", default = 200, replaced = "max_batch_size" },
  { name = "batch_flush_delay", default = 3, replaced = "max_coalescing_delay" },
}
local NUMBERS = { "max_batch_size", "max_coalescing_delay", "max_entries", "max_retry_time",
                  "initial_retry_delay", "max_retry_delay", "concurrency_limit" }

local queues = {}

local Queue = { _CAPACITY_WARNING_THRESHOLD = CAPACITY_WARNING }
local mt = { __index = Queue }


local function key_of(name)
  return (workspaces.get_workspace_id() or "") .. "." .. name
end


-- ---- one queue ------------------------------------------------------------------------------

for _, level in pairs { "debug", "info", "warn", "err" } do
  Queue["log_" .. level] = function(self, text, ...)
    if select("#", ...) > 0 then
      text = fmt(text, ...)
    end
    kong.log[level]("[" .. (self.log_tag or "") .. "] queue " .. self.name .. ": " .. text)
  end
end


function Queue:count()
  return self.back - self.front
end


local function size_of(self, entry)
  return self.max_bytes and type(entry) == "string" and #entry or 0
end


-- Whether an entry fits as the queue is.
local function fits(self, entry)
  if self:count() >= self.max_entries then
    return false
  end
  return not self.max_bytes or self.bytes_queued < self.max_bytes
         and self.bytes_queued + size_of(self, entry) <= self.max_bytes
end


local function take(self)
  local entry = self.entries[self.front]
  self.entries[self.front] = nil
  self.front = self.front + 1
  self.bytes_queued = max(0, self.bytes_queued - size_of(self, entry))
  if self.front == self.back then
    self.front, self.back = 1, 1
  end
  return entry
end


local function drop_oldest(self)
  self.semaphore:wait(0)
  take(self)
  self.dropping = true
end


-- Hands a batch over until it is taken or its time is up.
local function deliver(self, batch)
  local started, tries = ngx.now(), 0
  while true do
    self:log_debug("passing %d entries to handler", #batch)
    local ran, ok, err = pcall(self.handler, self.handler_conf, batch)
    if ran and ok == true then
      return self:log_debug("handler processed %d entries successfully", #batch)
    end
    err = ran and err or not ran and ok or nil
    self:log_warn("handler could not process entries: %s",
      tostring(err or "no error details returned by handler"))
    if not err then
      self:log_err("handler returned falsy value but no error information")
    end
    if ngx.now() - started > self.max_retry_time then
      return self:log_err("could not send entries due to max_retry_time exceeded. "
        .. "%d queue entries were lost", #batch)
    end
    ngx.sleep(min(self.max_retry_delay, 2 ^ tries * self.initial_retry_delay))
    tries = tries + 1
  end
end


-- Waits until a batch is full or its first entry has waited long enough. Answers how many there are.
local function gather(self)
  local began, count = ngx.now(), 1
  while count < self.max_batch_size do
    local left = self.max_coalescing_delay - (ngx.now() - began)
    if left < SHORTEST_WAIT or (ngx.worker.exiting() and self:count() <= count) then
      break
    end
    local got, err = self.semaphore:wait(min(left, LOOK))
    if got then
      count = count + 1
    elseif err ~= "timeout" then
      self:log_err("could not wait for semaphore: %s", err)
      break
    end
  end
  return count
end


local function process_once(self)
  local got, err = self.semaphore:wait(0)
  if not got then
    if err ~= "timeout" then
      self:log_err("error waiting for semaphore: %s", err)
    end
    return
  end
  local batch = {}
  for i = 1, gather(self) do
    batch[i] = take(self)
  end
  if self.dropping then
    self:log_info("queue resumed processing")
    self.dropping = false
  end
  deliver(self, batch)
end


local function work(premature, self)
  while self:count() > 0 do
    self:log_debug("processing queue")
    process_once(self)
  end
  self:log_debug("done processing queue")
  queues[self.key] = nil
  return premature
end


-- ---- all queues -----------------------------------------------------------------------------

local function find_or_make(conf, handler, handler_conf)
  local key = key_of(conf.name)
  local queue = queues[key]
  if queue then
    queue.handler_conf = handler_conf
    return queue
  end

  queue = { key = key, handler = handler, handler_conf = handler_conf, semaphore = semaphore.new(),
            entries = {}, front = 1, back = 1, bytes_queued = 0 }
  for option, value in pairs(conf) do
    queue[option] = value
  end
  setmetatable(queue, mt)
  if queue.concurrency_limit == 1 then
    queues[key] = queue
    kong.timer:named_at("queue " .. key, 0, work, queue)
  end
  return queue
end


local function warn_of_capacity(self)
  local near = self:count() >= self.max_entries * CAPACITY_WARNING
  if near and not self.warned then
    self:log_warn("queue at %s%% capacity", CAPACITY_WARNING * 100)
  end
  self.warned = near
end


local function make_room(self, entry)
  if self:count() >= self.max_entries then
    self:log_err("queue full, dropping old entries until processing is successful again")
    drop_oldest(self)
  end
  local dropped = 0
  while not fits(self, entry) and self:count() > 0 do
    drop_oldest(self)
    dropped = dropped + 1
  end
  if dropped > 0 then
    self:log_err("byte capacity exceeded, %d queue entries were dropped", dropped)
  end
end


local function add(self, entry)
  if entry == nil then
    return nil, "entry must be a non-nil Lua value"
  elseif self.concurrency_limit == -1 then
    local ok, err = kong.timer:at(0, function(premature)
      if not premature then
        deliver(self, { entry })
      end
    end)
    return ok and true or nil, not ok and "failed to crete timer: " .. err or nil
  end

  warn_of_capacity(self)
  if self.max_bytes and size_of(self, entry) > self.max_bytes then
    local err = fmt("string to be queued is longer (%d bytes) than the queue's max_bytes (%d bytes)",
                    #entry, self.max_bytes)
    self:log_err(err)
    return nil, err
  end
  make_room(self, entry)
  if self.max_bytes and type(entry) ~= "string" then
    self:log_err("queuing non-string entry to a queue that has queue.max_bytes set, "
                 .. "capacity monitoring will not be correct")
  end

  self.bytes_queued = self.bytes_queued + size_of(self, entry)
  self.entries[self.back] = entry
  self.back = self.back + 1
  self.semaphore:post()
  return true
end


-- Queues a value for `handler(handler_conf, entries)`, which answers true, or false and why not.
function Queue.enqueue(queue_conf, handler, handler_conf, value)
  assert(type(queue_conf) == "table", "arg #1 (queue_conf) must be a table")
  assert(type(handler) == "function", "arg #2 (handler) must be a function")
  assert(handler_conf == nil or type(handler_conf) == "table", "arg #3 (handler_conf) must be a table or nil")
  assert(type(queue_conf.name) == "string", "arg #1 (queue_conf) must include a name")
  for _, name in pairs(NUMBERS) do
    assert(type(queue_conf[name]) == "number", "arg #1 (queue_conf) " .. name .. " must be a number")
  end
  assert(queue_conf.max_bytes == nil or type(queue_conf.max_bytes) == "number",
         "arg #1 (queue_conf) max_bytes must be a number or nil")
  return add(find_or_make(queue_conf, handler, handler_conf), value)
end


function Queue.exists(name)
  return queues[key_of(name)] ~= nil
end


function Queue._exists(name)
  local queue = queues[key_of(name)]
  return queue and queue:count() > 0
end


function Queue.is_full(queue_conf)
  local queue = queues[key_of(queue_conf.name)]
  return queue ~= nil and not fits(queue, "")
end


-- Whether a value would be taken without another being dropped.
function Queue.can_enqueue(queue_conf, entry)
  local queue = queues[key_of(queue_conf.name)]
  return queue == nil or fits(queue, entry)
end


-- ---- parameters -----------------------------------------------------------------------------

local warned = {}

local function warn_once_in_a_while(name, message)
  local key = name .. "/" .. message
  if ngx.now() - (warned[key] or 0) >= WARN_AGAIN then
    kong.log.warn(message)
    warned[key] = ngx.now()
  end
end


local function given(value, default)
  return value ~= nil and value ~= ngx.null and value ~= default
end


-- The queue parameters in a plugin's configuration, old names included, with a name and a tag for
-- the log.
function Queue.get_plugin_params(plugin_name, config, queue_name)
  local params = config.queue or {}
  params.log_tag = plugin_name .. " plugin " .. kong.plugin.get_id()
  if config.plugin_instance_name then
    params.log_tag = params.log_tag .. " (" .. config.plugin_instance_name .. ")"
  end
  params.name = params.name or queue_name or kong.plugin.get_id()

  if given(config.retry_count, 10) then
    warn_once_in_a_while(params.name, "the retry_count parameter no longer works, please update "
      .. "your configuration to use initial_retry_delay and max_retry_time instead")
  end
  for _, old in pairs(OLD_PARAMETERS) do
    if given(config[old.name], old.default) then
      params[old.replaced] = config[old.name]
      warn_once_in_a_while(params.name, "the " .. old.name .. " parameter is deprecated, please update your "
        .. "configuration to use queue." .. old.replaced .. " instead")
    end
  end
  return params
end


return Queue
