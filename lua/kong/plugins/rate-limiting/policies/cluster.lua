-- The policy `cluster`: counters in the database, for all nodes that share it.
--
-- The store adds up by itself, in one go for all periods. One that has no counters says so.

local counter = require "kong.plugins.rate-limiting.policies.counter"
local expiration = require "kong.plugins.rate-limiting.expiration"
local timestamp = require "kong.tools.timestamp"

local kong = kong
local floor, ipairs = math.floor, ipairs

local _M = { waits = true }


-- The key of a period's counter, its date in seconds.
local function key_of(conf, identifier, period, current_timestamp)
  local service_id, route_id = counter.owners(conf)
  return {
    identifier = identifier,
    period = period,
    period_date = floor(timestamp.periods_at(current_timestamp)[period] / 1000),
    service_id = service_id,
    route_id = route_id,
  }
end


function _M.usage(conf, identifier, period, current_timestamp)
  return kong.db.connector:read_counter(key_of(conf, identifier, period, current_timestamp))
end


function _M.increment(conf, limits, identifier, current_timestamp, value)
  local rows = {}
  for _, period in ipairs(timestamp.timestamp_table_fields) do
    if limits[period] then
      local row = key_of(conf, identifier, period, current_timestamp)
      row.value, row.ttl = value, expiration[period]
      rows[#rows + 1] = row
    end
  end
  if not rows[1] then
    return true
  end
  local ok, err = kong.db.connector:increment_counters(rows)
  if not ok then
    kong.log.err("cluster policy: could not increment ", kong.db.strategy, " counter: ", err)
  end
  return ok, err
end


return _M
