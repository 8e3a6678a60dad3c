-- The policy `cluster`: counters in the database, for all nodes that share it.

local expiration = require "kong.plugins.rate-limiting.expiration"
local owners = require("kong.plugins.rate-limiting.policies.counter").owners
local timestamp = require "kong.tools.timestamp"

local kong = kong
local floor, ipairs = math.floor, ipairs

local _M = {}


-- The key of a counter: its period is named after the limit, too, and its date is in seconds.
local function key_of(conf, identifier, name, period, now)
  local service_id, route_id = owners(conf)
  return {
    identifier = identifier, period = name .. "_" .. period,
    period_date = floor(timestamp.periods_at(now)[period] / 1000),
    service_id = service_id, route_id = route_id,
  }
end


function _M.usage(conf, identifier, name, period, now)
  return kong.db.connector:read_counter(key_of(conf, identifier, name, period, now))
end


function _M.increment(conf, identifier, name, now, value)
  local rows = {}
  for i, period in ipairs(timestamp.timestamp_table_fields) do
    local row = key_of(conf, identifier, name, period, now)
    row.value, row.ttl = value, expiration[period]
    rows[i] = row
  end
  local ok, err = kong.db.connector:increment_counters(rows)
  if not ok then
    kong.log.err("cluster policy: could not increment ", kong.db.strategy, " counter: ", err)
  end
  return ok, err
end


return _M
