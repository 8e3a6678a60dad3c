-- What specs of plugins and of the gateway use: nodes, clients, entities, mock servers, assertions.

require "spec.internal.assertions"

local clients = require "spec.internal.clients"
local commands = require "spec.internal.commands"
local database = require "spec.internal.database"
local environment = require "spec.internal.environment"
local nodes = require "spec.internal.nodes"
local pids = require "spec.internal.pids"
local servers = require "spec.internal.servers"
local settings = require "spec.internal.settings"
local text = require "spec.internal.text"
local waiting = require "spec.internal.waiting"

local hosts = settings.hosts
local assert, error, pairs, print, select, setmetatable, type =
  assert, error, pairs, print, select, setmetatable, type

local helpers = {
  dir = require "pl.dir",
  path = require "pl.path",
  file = require "pl.file",
  utils = require "pl.utils",

  -- the database
  db = database.db,
  blueprints = database.blueprints,
  get_db_utils = database.get_db_utils,
  each_strategy = database.each_strategy,
  all_strategies = database.all_strategies,
  get_plugins_list = database.get_plugins_list,
  validate_plugin_config_schema = database.validate_plugin_config_schema,
  with_current_ws = database.with_current_ws,
  bootstrap_database = database.bootstrap_database,

  -- settings
  bin_path = settings.program,
  test_conf = settings.conf,
  test_conf_path = settings.test_conf_path,
  external_plugins_path = "./spec/fixtures/external_plugins",
  old_version_kong_path = settings.old_kong,
  openresty_ver_num = 12712,

  -- hosts and ports
  mock_upstream_hostname = "localhost",
  mock_upstream_host = "127.0.0.1",
  mock_upstream_protocol = "http",
  mock_upstream_port = settings.mock_upstream_port,
  mock_upstream_url = "http://127.0.0.1:" .. settings.mock_upstream_port,
  mock_upstream_ssl_host = "127.0.0.1",
  mock_upstream_ssl_protocol = "https",
  mock_upstream_ssl_port = settings.mock_upstream_ssl_port,
  mock_upstream_ssl_url = "https://127.0.0.1:" .. settings.mock_upstream_ssl_port,
  mock_upstream_stream_port = settings.mock_upstream_stream_port,
  mock_upstream_stream_ssl_port = settings.mock_upstream_stream_ssl_port,
  mock_grpc_upstream_proto_path = "./spec/fixtures/grpc/hello.proto",
  grpcbin_host = hosts.grpcbin[1],
  grpcbin_port = hosts.grpcbin[2],
  grpcbin_ssl_port = hosts.grpcbin[3],
  grpcbin_url = "grpc://" .. hosts.grpcbin[1] .. ":" .. hosts.grpcbin[2],
  grpcbin_ssl_url = "grpcs://" .. hosts.grpcbin[1] .. ":" .. hosts.grpcbin[3],
  zipkin_host = hosts.zipkin[1],
  zipkin_port = hosts.zipkin[2],
  otelcol_host = hosts.otelcol[1],
  otelcol_http_port = hosts.otelcol[2],
  otelcol_zpages_port = hosts.otelcol[3],
  otelcol_file_exporter_path = settings.otelcol_file,
  redis_host = hosts.redis[1],
  redis_port = hosts.redis[2],
  redis_ssl_port = hosts.redis[3],
  redis_auth_port = hosts.redis[4],
  redis_ssl_sni = settings.redis_ssl_sni,
  blackhole_host = "10.255.255.255",
  get_grpc_target_port = function() return settings.grpc_target_port end,

  -- commands
  execute = commands.execute,
  kong_exec = commands.kong_exec,
  setenv = environment.setenv,
  unsetenv = environment.unsetenv,
  wait_pid = pids.wait_file,
  get_pid_from_pid_file = pids.read,

  dns_mock = require "spec.internal.dns_mock",

  unindent = text.unindent,
  deep_sort = text.deep_sort,
}


for _, part in pairs { clients, nodes, servers, waiting } do
  for name, value in pairs(part) do
    helpers[name] = value
  end
end


-- Prints values and passes them on.
function helpers.intercept(...)
  print(require("pl.pretty").write({ n = select("#", ...), ... }))
  return ...
end


function helpers.get_version()
  return require("version")(require("kong.meta").version)
end


-- A cache as the node has it, without a node.
function helpers.get_cache()
  return require("kong.cache").new("kong_db_cache", { ttl = 0, neg_ttl = 0 })
end


-- A new key pair: `jwk` or `pem`.
function helpers.generate_keys(format)
  format = (type(format) == "string" and format or "JWK"):upper()
  local key = assert(require("resty.openssl.pkey").new({ type = "RSA", bits = 2048, exp = 65537 }))
  return key:tostring("public", format), key:tostring("private", format)
end


-- Parts that few specs need are loaded when they are asked for.
local LATE = {
  https_server = "spec.fixtures.https_server",
  stress_generator = "spec.fixtures.stress_generator",
}

local MISSING = "'%s' of spec.helpers is not served by this test kit: %s"
local UNSERVED = {
  clustering_client = "hybrid mode is not there yet",
  start_grpc_target = "it is a Go program of Kong's checkout",
  stop_grpc_target = "it is a Go program of Kong's checkout",
  build_go_plugins = "plugin servers are not there yet",
  is_echo_server_ready = "streams are not served yet",
  echo_server_reset = "streams are not served yet",
  get_echo_server_received_data = "streams are not served yet",
}


return setmetatable(helpers, {
  __index = function(_, name)
    local module = LATE[name]
    if module then
      helpers[name] = require(module)
      return helpers[name]
    elseif UNSERVED[name] then
      return function()
        error(MISSING:format(name, UNSERVED[name]), 2)
      end
    end
  end,
})
