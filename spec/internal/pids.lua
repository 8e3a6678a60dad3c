-- Processes of nodes under test.

local process = require "kong.process"

local open, tonumber = io.open, tonumber

local WAIT, STEP = 10, 0.05

local pids = {}


-- The process number in a file; nil and why not.
function pids.read(path)
  local file, err = open(path)
  if not file then
    return nil, err
  end
  local pid = file:read("*l")
  file:close()
  return pid
end


-- Sends a signal to a process.
function pids.signal(pid, signal)
  return (process.run("kill -" .. signal .. " " .. pid)) == 0
end


-- Whether a process is gone; a zombie is.
function pids.is_dead(pid)
  local file = open("/proc/" .. pid .. "/stat")
  if not file then
    return true
  end
  local state = file:read("*a"):match("%) (%a)")
  file:close()
  return state == "Z"
end


-- Waits until a process is gone. Answers whether it is.
function pids.wait(pid, timeout)
  local limit = ngx.now() + (timeout or WAIT)
  repeat
    if pids.is_dead(pid) then
      return true
    end
    ngx.sleep(STEP)
  until ngx.now() >= limit
  return false
end


-- Waits until the process of a pid file is gone, and kills it in the end.
function pids.wait_file(path, timeout)
  local pid = pids.read(path)
  if pid and tonumber(pid) and not pids.wait(pid, timeout) then
    pids.signal(pid, "KILL")
    pids.wait(pid, timeout)
  end
end


return pids
