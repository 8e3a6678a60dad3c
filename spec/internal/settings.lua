-- Where the kit finds things: the settings of nodes under test, ports, hosts and paths.

local conf_loader = require "kong.conf_loader"

local getenv, ipairs, open, tonumber = os.getenv, ipairs, io.open, tonumber

local PROGRAM = require "kong.program"


local function number_of(name, default)
  return tonumber(getenv(name)) or default
end


local function exists(path)
  local file = path and open(path)
  if file then
    file:close()
  end
  return file ~= nil
end


-- A folder of this process for what nodes under test need: settings, links, certificates.
local function own_folder()
  local path = "/tmp/kong-test-" .. ngx.worker.pid()
  os.execute("mkdir -p '" .. path .. "'")
  return path
end


local FOLDER = own_folder()


-- The settings of nodes under test: the file that is named, that of the working directory, or our own.
local function conf_path()
  local named = getenv("KONG_SPEC_TEST_CONF_PATH")
  if named then
    return named
  elseif exists("spec/kong_tests.conf") then
    return "spec/kong_tests.conf"
  end
  local path = FOLDER .. "/kong_tests.conf"
  local file = assert(open(path, "w"))
  file:write(require "spec.internal.kong_tests_conf")
  file:close()
  return path
end


local TEST_CONF_PATH = conf_path()


local settings = {
  program = PROGRAM,
  folder = FOLDER,
  test_conf_path = TEST_CONF_PATH,
  -- Modules that nodes under test load.
  plugin_path = "./spec/fixtures/custom_plugins/?.lua",
  vault_path = "./spec/fixtures/custom_vaults/?.lua;./spec/fixtures/custom_vaults/?/init.lua",
  -- What nodes under test load unless told otherwise.
  plugins = exists("spec/fixtures/custom_plugins/kong/plugins/dummy/handler.lua")
            and "bundled,dummy,cache,rewriter,error-handler-log,"
                .. "error-generator,error-generator-last,short-circuit"
            or "bundled",
  is_checkout = exists("kong/meta.lua") and exists("kong/init.lua"),

  mock_upstream_port = number_of("KONG_SPEC_TEST_MOCK_UPSTREAM_PORT", 15555),
  mock_upstream_ssl_port = number_of("KONG_SPEC_TEST_MOCK_UPSTREAM_SSL_PORT", 15556),
  mock_upstream_stream_port = 15557,
  mock_upstream_stream_ssl_port = 15558,
  grpc_target_port = 15010,

  hosts = {
    grpcbin = { getenv("KONG_SPEC_TEST_GRPCBIN_HOST") or "localhost",
                number_of("KONG_SPEC_TEST_GRPCBIN_PORT", 9000),
                number_of("KONG_SPEC_TEST_GRPCBIN_SSL_PORT", 9001) },
    zipkin = { getenv("KONG_SPEC_TEST_ZIPKIN_HOST") or "localhost",
               number_of("KONG_SPEC_TEST_ZIPKIN_PORT", 9411) },
    otelcol = { getenv("KONG_SPEC_TEST_OTELCOL_HOST") or "localhost",
                number_of("KONG_SPEC_TEST_OTELCOL_HTTP_PORT", 4318),
                number_of("KONG_SPEC_TEST_OTELCOL_ZPAGES_PORT", 55679) },
    redis = { getenv("KONG_SPEC_TEST_REDIS_HOST") or "localhost",
              number_of("KONG_SPEC_TEST_REDIS_PORT", 6379),
              number_of("KONG_SPEC_TEST_REDIS_SSL_PORT", 6380),
              number_of("KONG_SPEC_TEST_REDIS_AUTH_PORT", 6385) },
  },
  otelcol_file = getenv("KONG_SPEC_TEST_OTELCOL_FILE_EXPORTER_PATH") or "./tmp/otel/file_exporter.json",
  redis_ssl_sni = getenv("KONG_SPEC_TEST_REDIS_SSL_SNI") or "test-redis.example.com",
  old_kong = getenv("KONG_SPEC_TEST_OLD_VERSION_KONG_PATH") or "/usr/local/share/lua/5.1/kong/kong-old",
  dont_clean = getenv("KONG_DONT_CLEAN") ~= nil,
}


settings.conf = assert(conf_loader(TEST_CONF_PATH))


-- Specs find the plugins that nodes under test find.
for _, path in ipairs { settings.conf.lua_package_path or "", getenv("KONG_LUA_PACKAGE_PATH") or "" } do
  if path ~= "" and not package.path:find(path, 1, true) then
    package.path = path:gsub(";+$", "") .. ";" .. package.path
  end
end


-- Nodes under test find modules as this process does: a checkout of Kong is no source of them, but its
-- specs and fixtures are.
if settings.is_checkout then
  os.execute("ln -sfn \"$PWD/spec\" '" .. FOLDER .. "/spec'")
  settings.lua_path = FOLDER .. "/?.lua;/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua"
end


return settings
