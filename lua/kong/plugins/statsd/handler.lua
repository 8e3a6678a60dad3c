-- statsd: sends metrics of requests to a StatsD server.

local kong_meta = require "kong.meta"
local log = require "kong.plugins.statsd.log"

local Statsd = {
  VERSION = kong_meta.version,
  PRIORITY = 11,
}


function Statsd:log(conf)
  return log.execute(conf)
end


return Statsd
