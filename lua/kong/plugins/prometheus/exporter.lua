--- What `/metrics` shows: what was counted of requests, and the state of the node when it is asked for.

local balancer = require "kong.runloop.balancer"
local constants = require "kong.constants"
local Prometheus = require "kong.plugins.prometheus.prometheus"
local traffic = require "kong.plugins.prometheus.traffic"
local yield = require("kong.tools.yield").yield

local kong, ngx = kong, ngx
local assert, io_open, ipairs, pairs, tonumber = assert, io.open, ipairs, pairs, tonumber
local lower, match = string.lower, string.match

local DICTIONARY = "prometheus_metrics"
local SUBSYSTEM = ngx.config.subsystem
local HEALTH = { "healthchecks_off", "healthy", "unhealthy", "dns_error" }

local ERR_NOT_READY = "prometheus: plugin is not initialized, please make sure  'prometheus_metrics' "
                      .. "shared dict is present in nginx template"

local prometheus, node_id
local gauges = {}

-- Whether the plugin is configured at all, and whether some configuration wants the health of targets.
local is_enabled, tells_health = false, false


-- ---- definitions ----------------------------------------------------------------------------

local function gauge(name, help, labels)
  return prometheus:gauge(name, help, labels, prometheus.LOCAL_STORAGE)
end


local function define_node()
  gauges.connections = gauge("nginx_connections_total", "Number of connections by subsystem",
                             { "node_id", "subsystem", "state" })
  gauges.requests = gauge("nginx_requests_total", "Number of requests total", { "node_id", "subsystem" })
  gauges.timers = gauge("nginx_timers", "Number of nginx timers", { "state" })
  gauges.database = gauge("datastore_reachable", "Datastore reachable from Kong, 0 is unreachable")
  gauges.vm_bytes = gauge("memory_workers_lua_vms_bytes", "Allocated bytes in worker Lua VM",
                          { "node_id", "pid", "kong_subsystem" })
  gauges.dictionary_bytes = gauge("memory_lua_shared_dict_bytes", "Allocated slabs in bytes in a shared_dict",
                                  { "node_id", "shared_dict", "kong_subsystem" })
  gauges.dictionary_capacity = gauge("memory_lua_shared_dict_total_bytes",
                                     "Total capacity in bytes of a shared_dict",
                                     { "node_id", "shared_dict", "kong_subsystem" })
  gauge("node_info", "Kong Node metadata information", { "node_id", "version" })
    :set(1, { node_id, kong.version })
end


local function define_control_plane()
  local who = { "node_id", "hostname", "ip" }
  gauges.seen = gauge("data_plane_last_seen", "Last time data plane contacted control plane", who)
  gauges.hash = gauge("data_plane_config_hash", "Config hash numeric value of the data plane", who)
  gauges.compatible = gauge("data_plane_version_compatible",
                            "Version compatible status of the data plane, 0 is incompatible",
                            { "node_id", "hostname", "ip", "kong_version" })
end


-- The certificate stays what it is as long as the node runs.
local function define_data_plane()
  local file = assert(io_open(kong.configuration.cluster_cert))
  local certificate = assert(require("resty.openssl.x509").new(assert(file:read("*a")), "PEM"))
  file:close()
  gauge("data_plane_cluster_cert_expiry_timestamp", "Unix timestamp of Data Plane's cluster_cert expiry time")
    :set(assert(certificate:get_not_after()))
end


local function init()
  if not ngx.shared[DICTIONARY] then
    kong.log.err("prometheus: ngx shared dict 'prometheus_metrics' not found")
    return
  end
  prometheus, node_id = Prometheus.init(DICTIONARY, "kong_"), kong.node.get_id()
  define_node()
  traffic.define(prometheus)
  local role = kong.configuration.role
  if role == "control_plane" then
    define_control_plane()
    return
  end
  gauges.health = gauge("upstream_target_health",
    "Health status of targets of upstream. States = healthchecks_off|healthy|unhealthy|dns_error, "
    .. "value is 1 when state is populated.", { "upstream", "target", "address", "state", "subsystem" })
  if role == "data_plane" then
    define_data_plane()
  end
end


local function init_worker()
  if prometheus then
    prometheus:init_worker()
  end
end


local function configure(configs)
  is_enabled, tells_health = configs ~= nil, false
  for _, config in ipairs(configs or {}) do
    tells_health = tells_health or config.upstream_health_metrics
  end
end


-- ---- the state of the node ------------------------------------------------------------------

local function tell_connections()
  local statistics = kong.nginx.get_statistics()
  for _, state in ipairs { "accepted", "handled", "active", "reading", "writing", "waiting" } do
    gauges.connections:set(statistics["connections_" .. state], { node_id, SUBSYSTEM, state })
  end
  gauges.connections:set(statistics.total_requests, { node_id, SUBSYSTEM, "total" })
  gauges.requests:set(statistics.total_requests, { node_id, SUBSYSTEM })
end


-- What the subsystems have in common is told once.
local function tell_shared()
  gauges.timers:set(ngx.timer.running_count(), { "running" })
  gauges.timers:set(ngx.timer.pending_count(), { "pending" })
  local ok, err = kong.db.connector:connect()
  gauges.database:set(ok and 1 or 0)
  if not ok then
    kong.log.err("prometheus: failed to reach database while processing/metrics endpoint: ", err)
  end
end


local function tell_memory()
  local memory = kong.node.get_memory_stats()
  for name, dictionary in pairs(memory.lua_shared_dicts) do
    gauges.dictionary_bytes:set(dictionary.allocated_slabs, { node_id, name, SUBSYSTEM })
    gauges.dictionary_capacity:set(dictionary.capacity, { node_id, name, SUBSYSTEM })
  end
  -- workers are threads of one process
  local sums = {}
  for _, vm in ipairs(memory.workers_lua_vms) do
    sums[vm.pid] = (sums[vm.pid] or 0) + (vm.http_allocated_gc or 0)
  end
  for pid, bytes in pairs(sums) do
    gauges.vm_bytes:set(bytes, { node_id, pid, SUBSYSTEM })
  end
end


local function tell_address(upstream, target, address, health)
  for _, state in ipairs(HEALTH) do
    gauges.health:set(state == health and 1 or 0, { upstream, target, address, state, SUBSYSTEM })
  end
end


local function tell_target(upstream, target, info)
  local addresses = info and info.addresses or {}
  for _, address in ipairs(addresses) do
    tell_address(upstream, target, address.ip .. ":" .. address.port, lower(address.health))
  end
  if not addresses[1] then
    tell_address(upstream, target, "", "dns_error")
  end
end


local function tell_targets()
  gauges.health:reset()
  for key, id in pairs(balancer.get_all_upstreams()) do
    yield(true)
    local targets, err = balancer.get_upstream_health(id)
    if err then
      kong.log.err("failed getting upstream health: ", err)
    end
    for target, info in pairs(targets or {}) do
      tell_target(match(key, "^[^:]*:(.-)$") or key, target, info)
    end
  end
end


local function is_compatible(data_plane)
  local status = constants.CLUSTERING_SYNC_STATUS or {}
  local state = data_plane.sync_status
  return state ~= status.KONG_VERSION_INCOMPATIBLE and state ~= status.PLUGIN_SET_INCOMPATIBLE
         and state ~= status.PLUGIN_VERSION_INCOMPATIBLE
end


local function tell_data_planes()
  gauges.seen:reset()
  gauges.hash:reset()
  gauges.compatible:reset()
  for data_plane, err in kong.db.clustering_data_planes:each() do
    if err then
      kong.log.err("failed to list data planes: ", err)
      return
    end
    local id, name, ip = data_plane.id, data_plane.hostname, data_plane.ip
    gauges.seen:set(data_plane.last_seen, { id, name, ip })
    gauges.hash:set(tonumber("0x" .. data_plane.config_hash), { id, name, ip })
    gauges.compatible:set(is_compatible(data_plane) and 1 or 0, { id, name, ip, data_plane.version })
  end
end


-- ---- showing --------------------------------------------------------------------------------

--- Writes all metrics, with a function or as the response.
local function metric_data(write)
  if not prometheus then
    kong.log.err(ERR_NOT_READY)
    return kong.response.exit(500, { message = "An unexpected error occurred" })
  end
  tell_connections()
  if SUBSYSTEM == "http" then
    tell_shared()
  end
  if gauges.health and tells_health then
    tell_targets()
  end
  tell_memory()
  if gauges.seen and kong.db.clustering_data_planes then
    tell_data_planes()
  end
  prometheus:metric_data(write, not is_enabled)
end


-- The response of `/metrics`: requests that ended before it was asked for are counted in it.
local function collect()
  ngx.sleep(2 * Prometheus.SOON)
  ngx.header["Content-Type"] = "text/plain; charset=UTF-8"
  metric_data()
end


local function get_prometheus()
  if not prometheus then
    kong.log.err(ERR_NOT_READY)
  end
  return prometheus
end


return {
  init = init,
  init_worker = init_worker,
  configure = configure,
  log = traffic.count,
  metric_data = metric_data,
  collect = collect,
  get_prometheus = get_prometheus,
}
