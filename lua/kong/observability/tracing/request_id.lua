-- The identity of the current request.

local host = require "kong.host"

local _M = {}


-- 32 hexadecimal digits; nil and why not where no request is served.
function _M.get()
  local id = host.request_id()
  if not id then
    return nil, "cannot access ngx.var in " .. ngx.get_phase() .. " phase"
  end
  return id
end

_M._get_ctx_request_id = _M.get

return _M
