-- Letting other requests run during long work.

local YIELDABLE = {
  rewrite = true, server_rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_client_hello = true, ssl_certificate = true, ssl_cert = true, ssl_session_fetch = true,
}
local TURNS = 1000

local turns = TURNS

local _M = {}


-- Whether code of a phase (the current one by default) may wait.
function _M.in_yieldable_phase(phase)
  return YIELDABLE[phase or ngx.get_phase()]
end


-- Gives way; in a loop, once in a thousand turns.
function _M.yield(in_loop, phase)
  if not _M.in_yieldable_phase(phase) then
    return
  end
  if in_loop then
    turns = turns - 1
    if turns > 0 then
      return
    end
    turns = TURNS
  end
  ngx.sleep(0)
end


return _M
