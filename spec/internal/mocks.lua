-- Mock servers: nodes of this gateway that answer as server blocks say, beside the node under test and as
-- long as it lives.

local cjson = require "cjson"

local commands = require "spec.internal.commands"
local mock_upstream = require "spec.internal.mock_upstream"
local pids = require "spec.internal.pids"
local server_blocks = require "spec.internal.server_blocks"
local settings = require "spec.internal.settings"

local assert, ipairs, next, pairs, pcall, tostring = assert, ipairs, next, pairs, pcall, tostring
local concat, insert, upper = table.concat, table.insert, string.upper

local mocks = {}

-- Mock nodes by the prefix of the node that they were started with.
local running = {}
local count = 0


local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end


-- The listeners of all servers, each once.
local function listens(servers)
  local list, seen = {}, {}
  for _, server in ipairs(servers) do
    for _, port in ipairs(server.ports) do
      local key = tostring(port)
      local flags = (server.tls[key] and " ssl" or "") .. (server.http2[key] and " http2" or "")
      for _, address in ipairs(server.addresses or { "0.0.0.0" }) do
        local listen = address .. ":" .. port
        if not seen[listen] then
          seen[listen] = true
          insert(list, listen .. flags)
        end
      end
    end
  end
  return concat(list, ", ")
end


-- A path of a server block, which nginx reads from the prefix on.
local function from_prefix(path)
  return path:sub(1, 1) == "/" and path or settings.conf.prefix .. "/" .. path
end


local function certificate(servers)
  for _, server in ipairs(servers) do
    if server.ssl_certificate and server.ssl_certificate_key then
      return from_prefix(server.ssl_certificate), from_prefix(server.ssl_certificate_key)
    end
  end
  local cert, key = settings.conf.ssl_cert, settings.conf.ssl_cert_key
  return cert and cert[1], key and key[1]
end


local function write(path, content)
  local file = assert(io.open(path, "w"))
  file:write(content)
  file:close()
end


-- Starts a node that serves servers. Answers its prefix, or nil and why not.
function mocks.serve(servers, dicts, prefix)
  count = count + 1
  local file = settings.folder .. "/mock-" .. count .. ".json"
  prefix = prefix or settings.folder .. "/mock-" .. count
  write(file, cjson.encode(servers))
  local configuration = { _format_version = "3.0", plugins = { { name = "spec-server",
      config = { file = file, parent = ngx.worker.pid() } } } }
  local cert, key = certificate(servers)
  local env = {
    database = "off", declarative_config_string = cjson.encode(configuration), prefix = prefix,
        plugins = "spec-server",
    proxy_listen = listens(servers), admin_listen = "off", status_listen = "off", headers = "off",
        log_level = "info",
    nginx_main_worker_processes = "1", trusted_ips = "127.0.0.1", real_ip_header = "X-Real-IP",
        anonymous_reports = "off",
    lua_package_path = settings.folder .. "/?.lua", admin_gui_listen = "off",
    nginx_http_client_max_body_size = "0", nginx_http_charset = "off", untrusted_lua = "on",
    ssl_cert = cert, ssl_cert_key = key,
    lua_max_req_headers = "1000", lua_max_uri_args = "1000", lua_max_post_args = "1000",
  }
  for _, dict in ipairs(dicts or {}) do
    env.nginx_http_lua_shared_dict = (env.nginx_http_lua_shared_dict and env.nginx_http_lua_shared_dict
                                      .. "; lua_shared_dict " or "") .. dict
  end
  local words = { settings.lua_path and "LUA_PATH=" .. quoted(settings.lua_path) or nil }
  for name, value in pairs(env) do
    insert(words, "KONG_" .. upper(name) .. "=" .. quoted(value))
  end
  insert(words, settings.program .. " start")
  local ok, err = commands.execute(concat(words, " "))
  if not ok then
    return nil, "a mock server could not be started: " .. tostring(err)
  end
  return prefix
end


local function stop_node(prefix)
  local pid = pids.read(prefix .. "/pids/nginx.pid")
  if pid and pids.signal(pid, "TERM") and not pids.wait(pid) then
    pids.signal(pid, "KILL")
  end
end


-- Stops a node that `serve` started.
mocks.halt = stop_node


local function upstream_runs()
  for _, nodes in pairs(running) do
    if nodes.upstream then
      return true
    end
  end
  return false
end


-- Starts what belongs to the node with a prefix: the mock upstream where it is wanted and not there yet, and
-- the server blocks of fixtures, which have the shared dictionaries of that node, too. Answers true, or nil
-- and why not.
function mocks.start(prefix, with_upstream, fixtures, dictionaries)
  mocks.stop(prefix)
  local nodes = { others = {} }
  running[prefix] = nodes
  if with_upstream and not upstream_runs() then
    local node, err = mocks.serve(mock_upstream.servers(), mock_upstream.dicts)
    if not node then
      return nil, err
    end
    nodes.upstream = node
  end
  local servers, dicts = {}, { dictionaries }
  for _, block in pairs(fixtures and fixtures.http_mock or {}) do
    local ok, found, declared = pcall(server_blocks.read, block, settings.conf)
    if not ok then
      return nil, found
    end
    for _, server in ipairs(found) do
      insert(servers, server)
    end
    for _, dict in ipairs(declared) do
      insert(dicts, dict)
    end
  end
  if next(servers) then
    local node, err = mocks.serve(servers, dicts)
    if not node then
      return nil, err
    end
    insert(nodes.others, node)
  end
  if next(fixtures and fixtures.stream_mock or {}) then
    return nil, "stream mock servers are not served by this test kit"
  end
  return true
end


-- Stops what was started with the node of a prefix.
function mocks.stop(prefix)
  local nodes = running[prefix]
  running[prefix] = nil
  if nodes then
    for _, node in ipairs(nodes.others) do
      stop_node(node)
    end
    if nodes.upstream then
      stop_node(nodes.upstream)
    end
  end
end


-- Stops all of them, at the end of the specs.
require("kong.program_end").add(function()
  for prefix in pairs(running) do
    mocks.stop(prefix)
  end
  commands.execute("rm -rf '" .. settings.folder .. "'")
end)


return mocks
