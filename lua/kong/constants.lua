-- Names and numbers that plugins read from `kong.constants`.

local ngx = ngx

-- The words of a text as a list.
local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do
    list[#list + 1] = word
  end
  return list
end

-- The words of a text as a set.
local function set(text)
  local found = {}
  for word in text:gmatch("%S+") do
    found[word] = true
  end
  return found
end

-- A list that also answers membership: list[i] and list[name].
local function list_and_set(text)
  local both = words(text)
  for i = 1, #both do
    both[both[i]] = true
  end
  return both
end

local BUNDLED_PLUGINS = set [[
  acl acme ai-prompt-decorator ai-prompt-guard ai-prompt-template ai-proxy
  ai-request-transformer ai-response-transformer aws-lambda azure-functions basic-auth
  bot-detection correlation-id cors datadog file-log grpc-gateway grpc-web hmac-auth http-log
  ip-restriction jwt key-auth ldap-auth loggly oauth2 opentelemetry post-function pre-function
  prometheus proxy-cache rate-limiting redirect request-size-limiting request-termination
  request-transformer response-ratelimiting response-transformer session standard-webhooks
  statsd syslog tcp-log udp-log zipkin
]]

local SUBSYSTEMS = { stream = "tcp tls tls_passthrough udp", http = "grpc grpcs http https" }
local PROTOCOLS_WITH_SUBSYSTEM = {}
for subsystem, protocols in pairs(SUBSYSTEMS) do
  for protocol in pairs(set(protocols)) do
    PROTOCOLS_WITH_SUBSYSTEM[protocol] = subsystem
  end
end

local ENTITY_CACHE_STORE = { consumers = "cache", tags = "cache" }
for name in pairs(set [[certificates services routes snis upstreams targets plugins ca_certificates
                        vaults key_sets keys]]) do
  ENTITY_CACHE_STORE[name] = "core_cache"
end
setmetatable(ENTITY_CACHE_STORE, { __index = function() return "cache" end })

local LOG_LEVELS = {}
for name, level in pairs { debug = "DEBUG", info = "INFO", notice = "NOTICE", warn = "WARN",
                           error = "ERR", crit = "CRIT", alert = "ALERT", emerg = "EMERG" } do
  LOG_LEVELS[name] = ngx[level]
  LOG_LEVELS[ngx[level]] = name
end

local SYNC_STATUS = {}
for i, name in ipairs(words [[UNKNOWN NORMAL KONG_VERSION_INCOMPATIBLE PLUGIN_SET_INCOMPATIBLE
                              PLUGIN_VERSION_INCOMPATIBLE FILTER_SET_INCOMPATIBLE]]) do
  SYNC_STATUS[i] = { [name] = name:lower() }
  SYNC_STATUS[name] = name:lower()
end

return {
  CJSON_MAX_PRECISION = 16,
  BUNDLED_PLUGINS = BUNDLED_PLUGINS,
  DEPRECATED_PLUGINS = {},
  BUNDLED_VAULTS = { env = true },
  DEPRECATED_VAULTS = {},

  HEADERS = {
    VIA = "Via", SERVER = "Server", REQUEST_ID = "X-Kong-Request-Id",
    ADMIN_LATENCY = "X-Kong-Admin-Latency", PROXY_LATENCY = "X-Kong-Proxy-Latency",
    RESPONSE_LATENCY = "X-Kong-Response-Latency", UPSTREAM_LATENCY = "X-Kong-Upstream-Latency",
    UPSTREAM_STATUS = "X-Kong-Upstream-Status", HOST_OVERRIDE = "X-Host-Override",
    ANONYMOUS = "X-Anonymous-Consumer", CONSUMER_ID = "X-Consumer-ID",
    CONSUMER_USERNAME = "X-Consumer-Username", CONSUMER_CUSTOM_ID = "X-Consumer-Custom-ID",
    CONSUMER_GROUPS = "X-Consumer-Groups", AUTHENTICATED_GROUPS = "X-Authenticated-Groups",
    CREDENTIAL_IDENTIFIER = "X-Credential-Identifier",
    RATELIMIT_LIMIT = "X-RateLimit-Limit", RATELIMIT_REMAINING = "X-RateLimit-Remaining",
    FORWARDED_HOST = "X-Forwarded-Host", FORWARDED_PATH = "X-Forwarded-Path",
    FORWARDED_PREFIX = "X-Forwarded-Prefix",
  },

  CORE_ENTITIES = list_and_set [[
    workspaces consumers certificates services routes snis upstreams targets plugins tags
    ca_certificates clustering_data_planes parameters vaults key_sets keys filter_chains
  ]],
  ENTITY_CACHE_STORE = ENTITY_CACHE_STORE,
  RATELIMIT = { PERIODS = words "second minute hour day month year" },
  REPORTS = { ADDRESS = "kong-hf.konghq.com", STATS_TLS_PORT = 61833 },
  DICTS = words [[kong kong_locks kong_db_cache kong_db_cache_miss kong_cluster_events
                  kong_healthchecks kong_rate_limiting_counters kong_secrets]],
  DATABASE = { POSTGRES = { MIN = "9.5" }, DAO_MAX_TTL = 1e8 },

  PROTOCOLS = words "grpc grpcs http https tcp tls tls_passthrough udp",
  PROTOCOLS_WITH_SUBSYSTEM = PROTOCOLS_WITH_SUBSYSTEM,
  KEY_FORMATS = { "jwk", "pem" },
  KEY_FORMATS_MAP = { jwk = true, pem = true },

  DECLARATIVE_LOAD_KEY = "declarative_config:loaded",
  DECLARATIVE_HASH_KEY = "declarative_config:hash",
  DECLARATIVE_EMPTY_CONFIG_HASH = ("0"):rep(32),
  DECLARATIVE_DEFAULT_WORKSPACE_KEY = "declarative_config:default_workspace",
  DECLARATIVE_DEFAULT_WORKSPACE_ID = "0dc6f45b-8f8d-40d2-a504-473544ee190b",
  PLUGINS_REBUILD_COUNTER_KEY = "readiness_probe_config:plugins_rebuild_counter",
  ROUTERS_REBUILD_COUNTER_KEY = "readiness_probe_config:routers_rebuild_counter",

  CLUSTER_ID_PARAM_KEY = "cluster_id",
  CLUSTERING_SYNC_STATUS = SYNC_STATUS,
  CLUSTERING_TIMEOUT = 5000,
  CLUSTERING_OCSP_TIMEOUT = 5000,
  CLUSTERING_PING_INTERVAL = 30,
  CLUSTERING_DATA_PLANE_ERROR = {
    GENERIC = "generic or unknown error",
    RELOAD = "configuration reload failed",
    CONFIG_PARSE = "declarative configuration parse failure",
  },
  CLEAR_HEALTH_STATUS_DELAY = 300,

  LOG_LEVELS = LOG_LEVELS,
  DYN_LOG_LEVEL_DEFAULT_TIMEOUT = 60, DYN_LOG_LEVEL_KEY = "kong:dyn_log_level",
  DYN_LOG_LEVEL_TIMEOUT_AT_KEY = "kong:dyn_log_level_timeout_at",
  ADMIN_GUI_KCONFIG_CACHE_KEY = "admin:gui:kconfig",
  REQUEST_DEBUG_TOKEN_FILE = ".request_debug_token",
  REQUEST_DEBUG_LOG_PREFIX = "[request-debug]",
  SCHEMA_NAMESPACES = { PROXY_WASM_FILTERS = "proxy-wasm-filters" },

  RESPONSE_SOURCE = {
    TYPES = { SERVICE = "service", EXIT = "exit", ERROR = "error" },
    NAMES = { service = "upstream", exit = "kong", error = "kong" },
  },

  SOCKET_DIRECTORY = "sockets",
  SOCKETS = {
    WORKER_EVENTS = "we", STREAM_WORKER_EVENTS = "sw", CLUSTER_PROXY_SSL_TERMINATOR = "cp",
    STREAM_CONFIG = "sc", STREAM_TLS_TERMINATE = "st", STREAM_TLS_PASSTHROUGH = "sp",
    STREAM_RPC = "rp",
  },
}
