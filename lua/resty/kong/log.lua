--- The level of the error log.

local errlog = require "ngx.errlog"

local error, get_phase = error, ngx.get_phase

local _M = {}


--- The level in force, as `ngx.ERR` and its sisters number levels.
function _M.get_log_level()
  if get_phase() == "init" then
    error("no request found", 2)
  end
  return errlog.get_sys_filter_level()
end


return _M
