-- llthreads2.ex: functions in threads of their own. A function has no upvalues there; arguments and
-- results are copies.

local buffer = require "string.buffer"
local threads = require "kong.threads"

local decode, encode = buffer.decode, buffer.encode
local dump, select, setmetatable, type, unpack = string.dump, select, setmetatable, type, unpack

-- Runs in the new VM.
local function body(input)
  local bytes = require "string.buffer"
  local job = bytes.decode(input)
  local work = job.code and assert(loadstring(job.code, "=thread"))
  local results = { work(_G.unpack(job, 1, job.n)) }
  return bytes.encode({ n = table.maxn(results), _G.unpack(results, 1, table.maxn(results)) })
end

local BODY = dump(body)

local Thread = {}
Thread.__index = Thread


-- Starts the thread. Answers it, or nil and why not.
function Thread:start()
  local handle, err = threads.start(BODY, encode(self.job))
  if not handle then
    return nil, err
  end
  self.handle = handle
  return self
end


-- Waits for the end. Answers true and what the function returned, or false and the error.
function Thread:join()
  if not self.handle then
    return false, "can't join a thread that was not started"
  end
  local output, err = self.handle:join()
  if not output then
    return false, err
  end
  local results = decode(output)
  return true, unpack(results, 1, results.n)
end


function Thread:alive()
  return self.handle ~= nil and self.handle:alive()
end


local _M = {}


-- Makes a thread of a function, a text, or a table whose first item is one of them.
function _M.new(code, ...)
  if type(code) == "table" then
    code = code[1]
  end
  if type(code) == "function" then
    code = dump(code)
  end
  return setmetatable({ job = { code = code, n = select("#", ...), ... } }, Thread)
end


return _M
