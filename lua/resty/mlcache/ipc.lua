-- resty.mlcache.ipc: messages between workers through a shared dictionary, read when polled.
local buffer = require "string.buffer"

local decode, encode = buffer.decode, buffer.encode
local error, ipairs, pcall, setmetatable, type = error, ipairs, pcall, setmetatable, type
local now, shared, sleep = ngx.now, ngx.shared, ngx.sleep
local min = math.min

local INDEX = "lua-resty-ipc:index"
local RESYNC = "lua-resty-ipc:force_resync"
local TIMEOUT = 0.3
local STEP, LONGEST = 0.001, 0.05

local _M = { _VERSION = "2.7.0" }
local mt = { __index = _M }


function _M.new(name, debug)
  local dict = shared[name]
  if not dict then
    return nil, "no such lua_shared_dict: " .. name
  end
  return setmetatable({
    -- Workers of one process are told apart by their number.
    dict = dict, pid = debug and 0 or ngx.worker.pid() .. ":" .. (ngx.worker.id() or ""),
    idx = 0, callbacks = {},
  }, mt)
end


function _M:subscribe(channel, callback)
  if type(channel) ~= "string" then
    error("channel must be a string", 2)
  elseif type(callback) ~= "function" then
    error("callback must be a function", 2)
  end
  local list = self.callbacks[channel]
  if not list then
    list = {}
    self.callbacks[channel] = list
  end
  list[#list + 1] = callback
end


function _M:broadcast(channel, data)
  if type(channel) ~= "string" then
    error("channel must be a string", 2)
  elseif type(data) ~= "string" then
    error("data must be a string", 2)
  end
  local index, err = self.dict:incr(INDEX, 1, 0)
  if not index then
    return nil, "failed to increment index: " .. err
  end
  local ok
  ok, err = self.dict:set(index, encode { pid = self.pid, channel = channel, data = data })
  if not ok then
    return nil, "failed to insert event in shm: " .. err
  end
  return true
end


local function deliver(self, event)
  if event.pid == self.pid and self.pid ~= 0 then
    return
  end
  for _, callback in ipairs(self.callbacks[event.channel] or {}) do
    local ok, err = pcall(callback, event.data)
    if not ok then
      ngx.log(ngx.ERR, "[ipc] callback for channel '", event.channel, "' threw a Lua error: ", err)
    end
  end
end

-- The event of a number, for which its sender may still be about to make room.
local function wait_for(self, index, deadline)
  local step = STEP
  while true do
    local text, err = self.dict:get(index)
    if err and text == nil then
      return nil, "failed to get event from shm: " .. err
    elseif text then
      return decode(text)
    end
    if now() >= deadline then
      return nil
    end
    sleep(step)
    step = min(step * 2, LONGEST)
  end
end


-- Delivers what others have sent since the last time.
function _M:poll(timeout)
  if timeout ~= nil and type(timeout) ~= "number" then
    error("timeout must be a number", 2)
  end
  local last, err = self.dict:get(INDEX)
  if err and last == nil then
    return nil, "failed to get index: " .. err
  elseif last == nil then
    return true
  end
  if self.dict:get(RESYNC) then
    self.idx = last
    return true
  end
  local deadline = now() + (timeout or TIMEOUT)
  while self.idx < last do
    self.idx = self.idx + 1
    local event, read_err = wait_for(self, self.idx, deadline)
    if read_err then
      return nil, read_err
    elseif event then
      deliver(self, event)
    else
      ngx.log(ngx.INFO, "[ipc] no event data at index '", self.idx, "', event may have been evicted")
    end
    if now() > deadline then
      ngx.log(ngx.WARN, "[ipc] could not process all events in ", timeout or TIMEOUT, "s")
      return nil, "timeout"
    end
  end
  return true
end


return _M
