-- ngx.pipe: processes that Lua code talks to without blocking.
local process = require "host.process"

local error, ipairs, min, pairs, setmetatable, tonumber, tostring, type =
  error, ipairs, math.min, pairs, setmetatable, tonumber, tostring, type

local TIMEOUT = 10000
local LONGEST_TIMEOUT = 2 ^ 32 - 1
local LONGEST_OF_SOCKET = 2 ^ 31 - 1
local TIMEOUTS = { "write_timeout", "stdout_read_timeout", "stderr_read_timeout", "wait_timeout" }

local _M = { version = "0.1.28" }
local methods = {}
local mt = { __index = methods }


local function check_time(value, what)
  if value ~= nil and (type(value) ~= "number" or value < 0 or value > LONGEST_TIMEOUT) then
    error("bad " .. what .. " option", 0)
  end
end

local function check_buffer_size(value)
  local size = type(value) ~= "boolean" and tonumber(value)
  if value ~= nil and (not size or size < 1) then
    error("bad buffer_size option", 0)
  end
end

local function check_options(opts)
  check_buffer_size(opts.buffer_size)
  for _, name in ipairs(TIMEOUTS) do
    check_time(opts[name], name)
  end
  if opts.environ ~= nil then
    if type(opts.environ) ~= "table" then
      error("bad environ option: table expected, got " .. type(opts.environ), 0)
    end
    for i, entry in ipairs(opts.environ) do
      if type(entry) ~= "string" then
        error("bad value at index " .. i .. " of environ option: string expected, got " .. type(entry), 0)
      elseif not entry:find("=", 2, true) then
        error("bad value at index " .. i .. " of environ option: 'name=[value]' format expected, got '"
              .. entry .. "'", 0)
      end
    end
  end
end


-- The entries in front of a hole.
local function list_of(environ)
  if not environ then
    return nil
  end
  local list = {}
  for i, entry in ipairs(environ) do
    list[i] = entry
  end
  return list
end


-- Starts a program: a list of its name and arguments, or a text for the shell.
function _M.spawn(args, opts)
  if type(args) == "string" then
    args = { "/bin/sh", "-c", args }
  elseif type(args) ~= "table" then
    error("bad args arg: table expected, got " .. type(args), 0)
  elseif #args == 0 then
    error("bad args arg: non-empty table expected", 0)
  end
  opts = opts or {}
  check_options(opts)
  local words = {}
  for i, word in ipairs(args) do
    words[i] = tostring(word)
  end
  local handle, stdin, stdout, stderr = process.spawn(words, list_of(opts.environ), opts.merge_stderr)
  if not handle then
    return nil, stdin
  end
  local proc = setmetatable({
    _handle = handle, _in = stdin, _out = stdout, _err = stderr, _busy = {}, _shut = {}, _aborted = {},
  }, mt)
  proc:set_timeouts(opts.write_timeout, opts.stdout_read_timeout, opts.stderr_read_timeout, opts.wait_timeout)
  return proc
end


local function require_open(proc)
  if type(proc) ~= "table" or not proc._handle then
    error("not a process instance", 3)
  end
end


function methods:set_timeouts(write, stdout_read, stderr_read, wait)
  require_open(self)
  check_time(write, TIMEOUTS[1])
  check_time(stdout_read, TIMEOUTS[2])
  check_time(stderr_read, TIMEOUTS[3])
  check_time(wait, TIMEOUTS[4])
  local ends = { _in = write, _out = stdout_read, _err = stderr_read }
  for _, name in ipairs { "_in", "_out", "_err" } do
    if self[name] then
      self[name]:settimeout(ends[name] and ends[name] > 0 and min(ends[name], LONGEST_OF_SOCKET) or TIMEOUT)
    end
  end
  self._wait = wait and wait > 0 and wait or TIMEOUT
end


function methods:pid()
  require_open(self)
  return process.pid(self._handle)
end


function methods:kill(signal)
  require_open(self)
  if type(signal) ~= "number" then
    error("bad signal arg: number expected, got " .. type(signal), 0)
  end
  return process.kill(self._handle, signal)
end


function methods:wait()
  require_open(self)
  local ok, how, status = process.wait(self._handle, self._wait)
  -- A process that has ended takes its pipes with it.
  self._ended = ok ~= nil or self._ended
  return ok, how, status
end


local ENDS = { stdin = "_in", stdout = "_out", stderr = "_err" }

-- Closes one end of the process's: "stdin", "stdout" or "stderr".
function methods:shutdown(direction)
  require_open(self)
  local name = ENDS[direction]
  if not name then
    error("bad shutdown arg: " .. tostring(direction), 0)
  end
  if not self[name] then
    return nil, "merged to stdout"
  end
  self._aborted[name] = self._busy[name]
  if not self._shut[name] then
    self._shut[name] = true
    self[name]:close()
  end
  return true
end


-- What came of work at an end, in the words of pipes.
local function done(self, name, result, err, ...)
  self._busy[name] = nil
  if err == "socket busy reading" or err == "socket busy writing" then
    self._busy[name] = true
    err = err:gsub("socket", "pipe", 1)
  elseif err == "closed" and self._aborted[name] then
    err = "aborted"
  end
  return result, err, ...
end


local function work_at(self, name, method, ...)
  if self._shut[name] or self._ended then
    return nil, "closed"
  end
  self._busy[name] = true
  return done(self, name, method(self[name], ...))
end


local function text_of(data)
  local kind = type(data)
  if kind == "string" then
    return data
  elseif kind == "number" then
    return tostring(data)
  elseif kind == "table" then
    return data
  end
  error("bad data arg: string, number, or table expected, got " .. kind, 0)
end

function methods:write(data)
  require_open(self)
  local text = text_of(data)
  if text == "" then
    return 0
  end
  local sent, err = work_at(self, "_in", self._in.send, text)
  if not sent then
    return nil, err == "broken pipe" and "closed" or err
  end
  return sent
end


local function require_size(size, what)
  if type(size) ~= "number" then
    error("bad " .. what .. " argument: number expected, got " .. type(size), 0)
  elseif size < 0 then
    error("bad " .. what .. " argument", 0)
  end
end

-- How much a call wants, or what it answers without a look at the pipe.
local WANTED = {
  all = function() return "*a" end,
  line = function() return "*l" end,
  bytes = function(size)
    require_size(size, "len")
    return size, size == 0 and "" or nil
  end,
  any = function(max)
    require_size(max, "max")
    if max == 0 then
      error("bad max argument", 0)
    end
    return max
  end,
}

local function reader(name, kind)
  local wanted_of = WANTED[kind]
  return function(self, argument)
    require_open(self)
    if not self[name] then
      return nil, "merged to stdout"
    end
    local wanted, answer = wanted_of(argument)
    if answer then
      return answer
    end
    local pipe = self[name]
    return work_at(self, name, kind == "any" and pipe.receiveany or pipe.receive, wanted)
  end
end

for prefix, name in pairs { stdout_read_ = "_out", stderr_read_ = "_err" } do
  for kind in pairs(WANTED) do
    methods[prefix .. kind] = reader(name, kind)
  end
end


return _M
