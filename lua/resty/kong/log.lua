--- The level of the error log.

local errlog = require "ngx.errlog"

local _M = {}


--- The level in force, as `ngx.ERR` and its sisters number levels.
function _M.get_log_level()
  return errlog.get_sys_filter_level()
end


return _M
