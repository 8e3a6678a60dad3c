-- resty.core.base: what other libraries take from it.
local new_tab, clear_tab = require "table.new", require "table.clear"

local _M = {
  version = "0.1.29",
  FFI_OK = 0,
  FFI_ERROR = -1,
  FFI_AGAIN = -2,
  FFI_BUSY = -3,
  FFI_DONE = -4,
  FFI_DECLINED = -5,
  FFI_ABORT = -6,
  FFI_NO_REQ_CTX = -100,
  FFI_BAD_CONTEXT = -101,
  new_tab = new_tab,
  clear_tab = clear_tab,
}

-- Truthy while a request is being served.
function _M.get_request()
  local ok = pcall(function() return ngx.var.uri end)
  return ok or nil
end

function _M.allows_subsystem(...)
  local subsystem = ngx.config.subsystem
  for i = 1, select("#", ...) do
    if select(i, ...) == subsystem then
      return
    end
  end
  error("unsupported subsystem: " .. subsystem, 2)
end

return _M
