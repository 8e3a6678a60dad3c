-- ngx.pipe: processes that Lua code talks to without blocking.
local process = require "host.process"

local error, ipairs, pairs, setmetatable, tostring, type =
  error, ipairs, pairs, setmetatable, tostring, type

local TIMEOUT = 10000
local TIMEOUTS = { "write_timeout", "stdout_read_timeout", "stderr_read_timeout", "wait_timeout" }

local _M = { version = "0.1.29" }
local methods = {}
local mt = { __index = methods }


local function check_time(value, what)
  if value ~= nil and (type(value) ~= "number" or value < 0) then
    error("bad " .. what .. " option", 3)
  end
end

local function check_options(opts)
  if opts.buffer_size ~= nil and (type(opts.buffer_size) ~= "number" or opts.buffer_size < 1) then
    error("bad buffer_size option", 3)
  end
  for _, name in ipairs(TIMEOUTS) do
    check_time(opts[name], name)
  end
  if opts.environ ~= nil then
    if type(opts.environ) ~= "table" then
      error("bad environ option: table expected, got " .. type(opts.environ), 3)
    end
    for i, entry in ipairs(opts.environ) do
      if type(entry) ~= "string" then
        error("bad value at index " .. i .. " of environ option: string expected, got " .. type(entry), 3)
      elseif not entry:find("=", 2, true) then
        error("bad value at index " .. i .. " of environ option: 'name=[value]' format expected, got '"
              .. entry .. "'", 3)
      end
    end
  end
end


-- Starts a program: a list of its name and arguments, or a text for the shell.
function _M.spawn(args, opts)
  if type(args) == "string" then
    args = { "/bin/sh", "-c", args }
  elseif type(args) ~= "table" then
    error("bad args arg: table expected, got " .. type(args), 2)
  elseif #args == 0 then
    error("bad args arg: non-empty table expected", 2)
  end
  opts = opts or {}
  check_options(opts)
  local words = {}
  for i, word in ipairs(args) do
    words[i] = tostring(word)
  end
  local handle, stdin, stdout, stderr = process.spawn(words, opts.environ, opts.merge_stderr)
  if not handle then
    return nil, stdin
  end
  local proc = setmetatable({ _handle = handle, _in = stdin, _out = stdout, _err = stderr }, mt)
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
  local ends = { _in = write, _out = stdout_read, _err = stderr_read }
  for name, time in pairs(ends) do
    check_time(time, name)
  end
  for _, name in ipairs { "_in", "_out", "_err" } do
    if self[name] then
      self[name]:settimeout(ends[name] and ends[name] > 0 and ends[name] or TIMEOUT)
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
    error("bad signal arg: number expected, got " .. type(signal), 2)
  end
  return process.kill(self._handle, signal)
end


function methods:wait()
  require_open(self)
  return process.wait(self._handle, self._wait)
end


local ENDS = { stdin = "_in", stdout = "_out", stderr = "_err" }

-- Closes one end of the process's: "stdin", "stdout" or "stderr".
function methods:shutdown(direction)
  require_open(self)
  if direction == nil then
    error("bad direction arg: string expected, got nil", 2)
  end
  local name = ENDS[direction]
  if not name then
    error("bad direction arg: " .. tostring(direction), 2)
  end
  if direction == "stderr" and not self._err then
    return nil, "merged to stdout"
  end
  if not self[name] then
    return nil, "closed"
  end
  local ok, err = self[name]:close()
  if not ok then
    return nil, err
  end
  return true
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
  error("bad data arg: string, number, or table expected, got " .. kind, 3)
end

function methods:write(data)
  require_open(self)
  local text = text_of(data)
  if text == "" then
    return 0
  end
  local sent, err = self._in:send(text)
  if not sent then
    return nil, err == "broken pipe" and "closed" or err
  end
  return sent
end


local function reader(name, read)
  return function(self, wanted)
    require_open(self)
    local pipe = self[name]
    if not pipe then
      return nil, "merged to stdout"
    end
    return read(pipe, wanted)
  end
end

local function require_size(size, what)
  if type(size) ~= "number" then
    error("bad " .. what .. " arg: number expected, got " .. type(size), 4)
  elseif size < 0 then
    error("bad " .. what .. " arg", 4)
  end
end

for prefix, name in pairs { stdout_read_ = "_out", stderr_read_ = "_err" } do
  methods[prefix .. "all"] = reader(name, function(pipe)
    return pipe:receive("*a")
  end)
  methods[prefix .. "line"] = reader(name, function(pipe)
    return pipe:receive("*l")
  end)
  methods[prefix .. "bytes"] = reader(name, function(pipe, size)
    require_size(size, "len")
    return pipe:receive(size)
  end)
  methods[prefix .. "any"] = reader(name, function(pipe, max)
    require_size(max, "max")
    if max == 0 then
      return ""
    end
    return pipe:receiveany(max)
  end)
end


return _M
