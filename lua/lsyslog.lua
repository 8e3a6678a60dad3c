-- lsyslog: the system's log, by the functions of the C library.

local ffi = require "ffi"

local pairs, tostring = pairs, tostring

ffi.cdef [[
  void openlog(const char *ident, int option, int facility);
  void syslog(int priority, const char *format, ...);
  void closelog(void);
]]

local C = ffi.C

local _M = {}

for name, number in pairs {
  EMERG = 0, ALERT = 1, CRIT = 2, ERR = 3, WARNING = 4, NOTICE = 5, INFO = 6, DEBUG = 7,
} do
  _M["LOG_" .. name] = number
end

for name, number in pairs {
  KERN = 0, USER = 1, MAIL = 2, DAEMON = 3, AUTH = 4, SYSLOG = 5, LPR = 6, NEWS = 7, UUCP = 8, CRON = 9,
  AUTHPRIV = 10, FTP = 11, LOCAL0 = 16, LOCAL1 = 17, LOCAL2 = 18, LOCAL3 = 19, LOCAL4 = 20, LOCAL5 = 21,
  LOCAL6 = 22, LOCAL7 = 23,
} do
  _M["FACILITY_" .. name] = number * 8
end

-- The C library keeps the pointer.
local name


function _M.open(ident, facility)
  name = ident
  C.openlog(name, 0, facility or _M.FACILITY_USER)
end


function _M.log(level, message)
  C.syslog(level, "%s", tostring(message))
end


function _M.close()
  C.closelog()
  name = nil
end


return _M
