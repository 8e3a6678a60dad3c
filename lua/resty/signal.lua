-- resty.signal: signals by name or number.
local ffi = require "ffi"

local C = ffi.C
local error, ipairs, tonumber, type = error, ipairs, tonumber, type

ffi.cdef [[
  int kill(int pid, int signal);
  char *strerror(int number);
]]

local NUMBERS = {
  NONE = 0, HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10,
  SEGV = 11, USR2 = 12, PIPE = 13, ALRM = 14, TERM = 15, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20,
  TTIN = 21, TTOU = 22, URG = 23, XCPU = 24, XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29,
  PWR = 30, SYS = 31,
}

local _M = { version = 0.03 }

function _M.signum(name)
  return NUMBERS[name]
end

-- Sends a signal to a process, or to each of a list; 0 or "NONE" only looks whether it is there.
function _M.kill(pids, signal)
  local number = type(signal) == "string" and NUMBERS[signal] or tonumber(signal)
  if not number then
    error("unknown signal name: " .. signal, 2)
  end
  if type(pids) ~= "table" then
    pids = { pids }
  end
  local failure
  for _, pid in ipairs(pids) do
    if C.kill(tonumber(pid), number) ~= 0 then
      failure = ffi.string(C.strerror(ffi.errno()))
    end
  end
  if failure then
    return nil, failure
  end
  return true
end

return _M
