-- Which metrics are sent for a request, and their names and values.

local names = require "kong.plugins.statsd.names"
local Queue = require "kong.tools.queue"
local Statsd = require "kong.tools.statsd"

local kong, ngx = kong, ngx
local ipairs, pairs, setmetatable, tonumber = ipairs, pairs, setmetatable, tonumber
local line = Statsd.line

-- Seconds between two looks at the shared dictionaries.
local LOOK_AGAIN = 60

local _M = {}


-- ---- which requests -------------------------------------------------------------------------

-- Status code → whether it is in one of the ranges, by list of ranges.
local verdicts = setmetatable({}, { __mode = "k" })


-- Whether a status code is in one of some ranges as `200-299`, or there are none.
function _M.is_in_range(ranges, status)
  if not ranges then
    return true
  end
  local known = verdicts[ranges]
  if not known then
    known = {}
    verdicts[ranges] = known
  end
  if known[status] == nil then
    known[status] = false
    for _, range in ipairs(ranges) do
      local first, last = range:match("(%d%d%d)-(%d%d%d)")
      if first and tonumber(first) <= status and status <= tonumber(last) then
        known[status] = true
      end
    end
  end
  return known[status]
end


-- ---- metrics of a request -------------------------------------------------------------------

-- Metric → name below the scope, and the value in an entry.
local PLAIN = {
  request_size = { "request.size", function(entry) return entry.request.size end },
  response_size = { "response.size", function(entry) return entry.response.size end },
  latency = { "latency", function(entry) return entry.latencies.request end },
  upstream_latency = { "upstream_latency", function(entry) return entry.latencies.proxy end },
  kong_latency = { "kong_latency", function(entry) return entry.latencies.kong end },
  request_count = { "request.count", function() return 1 end },
}

-- Metrics whose names tell more: each answers name, value and kind; or nothing. They are not sent with tags.
local NAMED = {
  unique_users = function(scope, user)
    if user then
      return scope .. ".user.uniques", user, "set"
    end
  end,
  request_per_user = function(scope, user)
    if user then
      return scope .. ".user." .. user .. ".request.count", 1, "counter"
    end
  end,
  status_count = function(scope, _, entry)
    return scope .. ".status." .. entry.response.status, 1, "counter"
  end,
  status_count_per_user = function(scope, user, entry)
    if user then
      return scope .. ".user." .. user .. ".status." .. entry.response.status, 1, "counter"
    end
  end,
  status_count_per_workspace = function(scope, _, entry, metric, conf)
    local workspace = names.workspace(metric, conf)
    if workspace then
      return scope .. ".workspace." .. workspace .. ".status." .. entry.response.status, 1, "counter"
    end
  end,
  status_count_per_user_per_route = function(_, user, entry)
    local route = entry.route
    if user and route and route.id then
      return "route." .. route.id .. ".user." .. user .. ".status." .. entry.response.status, 1, "counter"
    end
  end,
}


local function send_plain(client, conf, metric, entry)
  local name, value = PLAIN[metric.name][1], PLAIN[metric.name][2](entry)
  if value == nil or value == -1 then
    return
  end
  local tags
  if conf.tag_style then
    tags = names.tags(entry, metric, conf)
  else
    name = names.scope(entry, metric, conf) .. "." .. name
  end
  client:send(line(client.prefix .. name, value, metric.stat_type, metric.sample_rate, tags, conf.tag_style))
end


local function send_named(client, conf, metric, entry)
  if conf.tag_style then
    return
  end
  local user = names.consumer(entry, metric, conf)
  local scope = names.scope(entry, metric, conf)
  local name, value, kind = NAMED[metric.name](scope, user, entry, metric, conf)
  if name then
    client:send(line(client.prefix .. name, value, kind, kind ~= "set" and metric.sample_rate or nil))
  end
end


-- ---- shared dictionaries --------------------------------------------------------------------

local last_look = 0


local function send_dictionary(client, conf, metric, name, what, bytes)
  local full, tags = "shdict." .. what, nil
  if conf.tag_style then
    tags = { { "node", names.node() }, { "shdict", name } }
  else
    full = "shdict." .. name .. "." .. what
    if not conf.hostname_in_prefix then
      full = "node." .. names.node() .. "." .. full
    end
  end
  client:send(line(client.prefix .. full, bytes, "gauge", metric.sample_rate, tags, conf.tag_style))
end


-- All workers share them: the first one tells, once in a while.
local function send_dictionaries(client, conf, metric)
  local now = ngx.time()
  if ngx.worker.id() ~= 0 or now <= last_look + LOOK_AGAIN then
    return
  end
  last_look = now
  for name, dictionary in pairs(ngx.shared) do
    send_dictionary(client, conf, metric, name, "free_space", dictionary:free_space())
    send_dictionary(client, conf, metric, name, "capacity", dictionary:capacity())
  end
end


-- ---- sending --------------------------------------------------------------------------------

local function send_metric(client, conf, metric, entry)
  if metric.name == "shdict_usage" then
    return send_dictionaries(client, conf, metric)
  elseif NAMED[metric.name] then
    return send_named(client, conf, metric, entry)
  end
  return send_plain(client, conf, metric, entry)
end


local function prefix_of(conf)
  local prefix = (conf.prefix or "kong") .. "."
  if conf.hostname_in_prefix and not conf.tag_style then
    prefix = prefix .. "node." .. names.node() .. "."
  end
  return prefix
end


local function send(conf, entries)
  local client, err = Statsd.open(conf.host, conf.port,
                                  { tcp = conf.use_tcp, packet_size = conf.udp_packet_size })
  if not client then
    kong.log.err("failed to create Statsd logger: ", err)
    return false, err
  end
  client.prefix = prefix_of(conf)
  for _, entry in ipairs(entries) do
    for _, metric in ipairs(conf.metrics) do
      send_metric(client, conf, metric, entry)
    end
  end
  client:close()
  return true
end


function _M.execute(conf)
  if not _M.is_in_range(conf.allow_status_codes, ngx.status) then
    return
  end
  kong.log.debug("Status code is within given status code ranges")
  local queue = Queue.get_plugin_params("statsd", conf)
  local ok, err = Queue.enqueue(queue, send, conf, kong.log.serialize())
  if not ok then
    kong.log.err("Failed to enqueue log entry to StatsD server: ", err)
  end
end


return _M
