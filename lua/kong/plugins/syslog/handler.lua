-- syslog: writes each request as JSON to the system's log.

local cjson = require "cjson"
local ffi = require "ffi"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"
local severity = require "kong.tools.severity"

local kong, ngx = kong, ngx
local C = ffi.C

ffi.cdef [[
  void openlog(const char *ident, int option, int facility);
  void syslog(int priority, const char *format, ...);
]]

-- The C library keeps a pointer to it.
local SENDER = ffi.new("char[?]", 5, "kong")
local WITH_PID = 1

-- The numbers of <syslog.h>, which come before the three bits of the severity.
local FACILITIES = { kern = 0, user = 1, mail = 2, daemon = 3, auth = 4, syslog = 5, lpr = 6, news = 7,
                     uucp = 8, cron = 9, authpriv = 10, ftp = 11 }
for i = 0, 7 do
  FACILITIES["local" .. i] = 16 + i
end

local Syslog = {
  VERSION = kong_meta.version,
  PRIORITY = 4,
}


local function write(premature, facility, rank, text)
  if not premature then
    C.openlog(SENDER, WITH_PID, facility * 8)
    C.syslog(facility * 8 + rank, "%s", text)
  end
end


function Syslog:log(conf)
  local entry = log_entry.of(conf)
  local rank = severity.of(conf, entry)
  if not rank then
    return
  end
  local ok, err = ngx.timer.at(0, write, FACILITIES[conf.facility], rank, cjson.encode(entry))
  if not ok then
    kong.log.err("failed to create timer: ", err)
  end
end


return Syslog
