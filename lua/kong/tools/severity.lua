-- Severities of syslog (RFC 5424, 6.2.1), as log plugins use them.

local RANKS = { emerg = 0, alert = 1, crit = 2, err = 3, warning = 4, notice = 5, info = 6, debug = 7 }

local _M = { NAMES = { "debug", "info", "notice", "warning", "err", "crit", "alert", "emerg" } }


-- The number of the severity that a configuration gives an entry by its status; nil where the entry is less
-- severe than what is to be logged.
function _M.of(conf, entry)
  local response = entry.response
  local status = response and response.status or 0
  local name = status >= 500 and conf.server_errors_severity
               or status >= 400 and conf.client_errors_severity
               or conf.successful_severity
  local rank = RANKS[name]
  return rank <= RANKS[conf.log_level] and rank or nil
end


return _M
