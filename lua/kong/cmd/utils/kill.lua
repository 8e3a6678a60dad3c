-- Signals to processes whose ids are in files.

local process = require "kong.process"

local format, gsub, open = string.format, string.gsub, io.open

local _M = {}


-- The id in a file; nil where there is none.
local function id_in(pid_file)
  local file = open(pid_file)
  if not file then
    return nil
  end
  local id = file:read("*n")
  file:close()
  return id
end


--- Sends a signal (`-0`, which only asks, if none is named). Answers the exit code of `kill`, 0 where there
-- is no file.
function _M.kill(pid_file, signal)
  local id = id_in(pid_file)
  if not id then
    return 0
  end
  local words = gsub(signal or "-0", "[^%w%s-]", "")
  return (process.run(format("kill %s %d", words, id)))
end


--- Whether the process runs; nil where there is no file.
function _M.is_running(pid_file)
  if id_in(pid_file) then
    return _M.kill(pid_file) == 0
  end
end


return _M
