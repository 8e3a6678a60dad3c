-- resty.shell: a command's output, errors and end.
local spawn = require("ngx.pipe").spawn

local concat = table.concat
local spawn_thread, kill_thread, wait_thread = ngx.thread.spawn, ngx.thread.kill, ngx.thread.wait
local tostring, type = tostring, type

local MOST = 128 * 1024
local TIMEOUT = 10000

local _M = { version = "0.03" }

-- Reads to the end, keeping no more than `most` bytes; answers what was kept and whether there was more.
local function read_all(proc, read, most)
  local pieces, length = {}, 0
  while true do
    local data, err, partial = read(proc, 4096)
    data = data or partial
    if data and data ~= "" then
      pieces[#pieces + 1] = data
      length = length + #data
      if length > most then
        return concat(pieces):sub(1, most), "too much"
      end
    end
    if err then
      return concat(pieces), err ~= "closed" and err or nil
    end
  end
end

-- Runs a command: whether it ended well, its output, its errors, how it ended and with what.
function _M.run(command, stdin, timeout, max_size)
  local proc, err = spawn(command)
  if not proc then
    return nil, nil, nil, "failed to spawn: " .. tostring(err)
  end
  timeout, max_size = timeout or TIMEOUT, max_size or MOST
  proc:set_timeouts(timeout, timeout, timeout, timeout)
  if stdin and type(stdin) == "string" and stdin ~= "" then
    local sent
    sent, err = proc:write(stdin)
    if not sent then
      return nil, nil, nil, "failed to write to stdin: " .. err
    end
  end
  proc:shutdown("stdin")

  local errors = spawn_thread(read_all, proc, proc.stderr_read_any, max_size)
  local out, out_err = read_all(proc, proc.stdout_read_any, max_size)
  local _, errs, errs_err = wait_thread(errors)
  if out_err or errs_err then
    kill_thread(errors)
    proc:kill(9)
    if out_err == "too much" or errs_err == "too much" then
      return nil, out, errs, (out_err == "too much" and "stdout" or "stderr") .. " data truncated"
    end
    return nil, out, errs, out_err or errs_err
  end
  local ok, reason, status = proc:wait()
  return ok, out, errs, reason, status
end

return _M
