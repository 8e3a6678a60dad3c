-- Many keys at once: what is not in a level is loaded by several light threads.

local levels = require "kong.resty.mlcache.levels"
local options = require "kong.resty.mlcache.options"

local ngx = ngx
local ceil, error, min, setmetatable, type = math.ceil, error, math.min, setmetatable, type
local MISS = levels.MISS

-- Light threads where nothing is asked.
local THREADS = 3

local _M = {}


-- ---- operations and results -----------------------------------------------------------------

local methods = {}

function methods:add(key, opts, callback, argument)
  local at = self.n * 4
  self[at + 1], self[at + 2], self[at + 3], self[at + 4] = key, opts, callback, argument
  self.n = self.n + 1
end


-- A list of operations to add to.
function _M.new()
  return setmetatable({ n = 0 }, { __index = methods })
end


local function next_result(results, i)
  local at = i * 3
  if at < results.n then
    return i + 1, results[at + 1], results[at + 2], results[at + 3]
  end
end


-- Iterates over results: number, value, error, level.
function _M.each(results)
  if not results.n then
    error("res must have res.n field; is this a get_bulk() result?", 2)
  end
  return next_result, results, 0
end


-- ---- loading --------------------------------------------------------------------------------

local function check(bulk, opts)
  if type(bulk) ~= "table" then
    error("bulk must be a table", 3)
  elseif not bulk.n then
    error("bulk must have n field", 3)
  elseif not opts then
    return
  elseif type(opts) ~= "table" then
    error("opts must be a table", 3)
  elseif opts.concurrency and type(opts.concurrency) ~= "number" then
    error("opts.concurrency must be a number", 3)
  elseif opts.concurrency and opts.concurrency <= 0 then
    error("opts.concurrency must be > 0", 3)
  end
end


local function check_operation(key, callback, at)
  local number = ceil(at / 4)
  if type(key) ~= "string" then
    error("key at index " .. at .. " must be a string for operation " .. number .. " (got " .. type(key)
          .. ")", 4)
  elseif type(callback) ~= "function" then
    error("callback at index " .. at + 2 .. " must be a function for operation " .. number .. " (got "
          .. type(callback) .. ")", 4)
  end
end


local function place(results, at, value, err, level)
  if value == MISS then
    value = nil
  end
  results[at + 1], results[at + 2], results[at + 3] = value, err, level
end


-- Answers from the levels where they can; what they cannot is left in the list of loads.
local function look_up(self, bulk, results)
  local loads = {}
  for number = 1, bulk.n do
    local at, to = (number - 1) * 4 + 1, (number - 1) * 3
    local key, callback = bulk[at], bulk[at + 2]
    check_operation(key, callback, at)
    local value = self.lru:get(key)
    if value ~= nil then
      place(results, to, value, nil, 1)
    else
      local life, err = options.of_call(self, bulk[at + 1])
      if not life then
        error("options at index " .. at + 1 .. " for operation " .. number .. " are invalid: " .. err, 3)
      end
      local found, level
      found, value, level, err = levels.promote(self, key, life.l1_serializer)
      if err then
        place(results, to, nil, err)
      elseif found then
        place(results, to, value, nil, level)
      else
        loads[#loads + 1] = { to = to, key = key, life = life, old = value, expired = level,
                              callback = callback, argument = bulk[at + 3] }
      end
    end
  end
  return loads
end


local function run(self, load, loads, results, first, last)
  for i = first, last do
    local one = loads[i]
    place(results, one.to, load(self, one.key, one.life, one.old, one.expired, one.callback, one.argument))
  end
end


-- Shares loads out among light threads and the running one.
local function run_all(self, load, loads, results, concurrency)
  local count = #loads
  local spare = min(count, concurrency) - 1
  local share = ceil(count / concurrency)
  if self.debug then
    ngx.log(ngx.DEBUG, "spawning ", spare, " threads to run ", count, " callbacks")
  end
  local threads, from = {}, 1
  for i = 1, spare do
    if from > count then
      break
    end
    local to = count - from + 1 >= share and from + share - 1 or from
    if self.debug then
      ngx.log(ngx.DEBUG, "thread ", i, " running callbacks ", from, " to ", to)
    end
    threads[i] = ngx.thread.spawn(run, self, load, loads, results, from, to)
    from = to + 1
  end
  if from <= count then
    if self.debug then
      ngx.log(ngx.DEBUG, "main thread running callbacks ", from, " to ", count)
    end
    run(self, load, loads, results, from, count)
  end
  for i = 1, #threads do
    local ok, err = ngx.thread.wait(threads[i])
    if not ok then
      ngx.log(ngx.ERR, "failed to wait for thread number ", i, ": ", err)
    end
  end
end


-- The results of all operations: value, error, level, three by three; `n` counts the items. `load` is
-- the cache's way to run a callback.
function _M.get(self, load, bulk, opts)
  check(bulk, opts)
  local results = { n = bulk.n * 3 }
  local loads = look_up(self, bulk, results)
  if #loads > 0 then
    run_all(self, load, loads, results, opts and opts.concurrency or THREADS)
  end
  return results
end


return _M
