-- Events between workers, through a shared dictionary: each has a number, and each worker reads those
-- it has not seen.

local ngx = ngx
local error, ipairs, pcall, setmetatable, tonumber, type = error, ipairs, pcall, setmetatable, tonumber, type
local fmt, match, min, sub = string.format, string.match, math.min, string.sub

local COUNT, EVICTED = "lua-resty-ipc:index", "lua-resty-ipc:forcible"
-- Seconds: how long to wait for an event that is announced, and the first pause.
local PATIENCE, FIRST_PAUSE = 0.3, 0.001

local _M = {}
local mt = { __index = _M }


local function log(level, ...)
  ngx.log(level, "[ipc] ", ...)
end


-- With `debug` a worker hears its own events.
function _M.new(shm, debug)
  local dict = ngx.shared[shm]
  if not dict then
    return nil, "no such lua_shared_dict: " .. shm
  end
  return setmetatable({ dict = dict, pid = debug and 0 or ngx.worker.pid(), idx = 0, callbacks = {} }, mt)
end


function _M:subscribe(channel, callback)
  if type(channel) ~= "string" then
    error("channel must be a string", 2)
  elseif type(callback) ~= "function" then
    error("callback must be a function", 2)
  end
  local list = self.callbacks[channel] or {}
  list[#list + 1] = callback
  self.callbacks[channel] = list
end


function _M:broadcast(channel, data)
  if type(channel) ~= "string" then
    error("channel must be a string", 2)
  elseif type(data) ~= "string" then
    error("data must be a string", 2)
  end
  local number, err = self.dict:incr(COUNT, 1, 0)
  if not number then
    return nil, "failed to increment index: " .. err
  end
  local ok, evicted
  ok, err, evicted = self.dict:set(number, fmt("%d:%d:%s%s", ngx.worker.pid(), #data, channel, data))
  if not ok then
    return nil, "failed to insert event in shm: " .. err
  end
  if evicted then
    ok, err = self.dict:set(EVICTED, true)
    if not ok then
      return nil, "failed to set forcible flag in shm: " .. err
    end
  end
  return true
end


-- The event of a number, which may be a moment behind its announcement. Answers it, an error, and the
-- time waited in all.
local function await(self, number, waited, patience)
  local pause, may_sleep = FIRST_PAUSE, true
  while waited < patience do
    local event, err = self.dict:get(number)
    if event ~= nil or err then
      return event, err, waited
    end
    if may_sleep then
      log(ngx.INFO, "no event data at index '", number, "', retrying in: ", pause, "s")
      may_sleep, err = pcall(ngx.sleep, pause)
      if not may_sleep then
        log(ngx.WARN, "could not sleep before retry: ", err, " (note: it is safer to call this function ",
            "in contexts that support the ngx.sleep() API)")
      end
    end
    waited = waited + pause
    pause = min(pause * 2, patience - waited)
  end
  return nil, nil, waited
end


local function hand_out(self, event)
  local pid, size, rest = match(event, "^(%d+):(%d+):(.*)$")
  if tonumber(pid) == self.pid then
    return
  end
  local split = #rest - tonumber(size)
  local channel, data = sub(rest, 1, split), sub(rest, split + 1)
  for _, callback in ipairs(self.callbacks[channel] or {}) do
    local ok, err = pcall(callback, data)
    if not ok then
      log(ngx.ERR, "callback for channel '", channel, "' threw a Lua error: ", err)
    end
  end
end


-- Where to go on reading when `last` is the newest event; nil and an error if that cannot be told.
local function position(self, last)
  if self.idx ~= 0 then
    return min(self.idx, last)
  end
  local evicted, err = self.dict:get(EVICTED)
  if err then
    return nil, "failed to get forcible flag from shm: " .. err
  end
  return evicted and last - 1 or 0
end


-- Hands out the events that have come since the last call.
function _M:poll(timeout)
  if timeout ~= nil and type(timeout) ~= "number" then
    error("timeout must be a number", 2)
  end
  local last, err = self.dict:get(COUNT)
  if err then
    return nil, "failed to get index: " .. err
  elseif last == nil then
    return true
  elseif type(last) ~= "number" then
    return nil, "index is not a number, shm tampered with"
  end
  self.idx, err = position(self, last)
  if err then
    self.idx = 0
    return nil, err
  end

  local patience, waited = timeout or PATIENCE, 0
  for number = self.idx + 1, last do
    local event
    event, err, waited = await(self, number, waited, patience)
    self.idx = number
    if waited >= patience then
      return nil, "timeout"
    elseif err then
      log(ngx.ERR, "could not get event at index '", number, "': ", err)
    elseif type(event) ~= "string" then
      log(ngx.ERR, "event at index '", number, "' is not a string, shm tampered with")
    else
      hand_out(self, event)
    end
  end
  return true
end


return _M
