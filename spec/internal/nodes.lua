-- Nodes under test: starting, stopping, reloading.

local lfs = require "lfs"
local path = require "pl.path"
local dir = require "pl.dir"

local commands = require "spec.internal.commands"
local conf_loader = require "kong.conf_loader"
local database = require "spec.internal.database"
local dns_mock = require "spec.internal.dns_mock"
local environment = require "spec.internal.environment"
local mocks = require "spec.internal.mocks"
local pids = require "spec.internal.pids"
local settings = require "spec.internal.settings"
local tables = require "kong.tools.table"

local error, pcall, type = error, pcall, type
local conf = settings.conf

local nodes = {}

-- The declarative configuration that the last start used, for a start that keeps it.
local kept_configuration


-- ---- the prefix -----------------------------------------------------------------------------

function nodes.prepare_prefix(prefix)
  return dir.makepath(prefix or conf.prefix)
end


function nodes.clean_prefix(prefix)
  prefix = prefix or conf.prefix
  if not path.exists(prefix) then
    return true
  end
  -- A socket is no file that could be removed with its folder by all versions of penlight.
  local sockets = path.join(prefix, "sockets")
  if path.isdir(sockets) then
    for name in lfs.dir(sockets) do
      if lfs.attributes(path.join(sockets, name), "mode") == "socket" then
        os.remove(path.join(sockets, name))
      end
    end
  end
  return (commands.execute("rm -rf '" .. prefix .. "'/* '" .. prefix .. "'/.[a-z]*"))
end


-- Empties a log file, if its folder is there.
function nodes.clean_logfile(logfile)
  logfile = logfile or conf.nginx_err_logs
  if not path.isdir(path.dirname(path.abspath(logfile))) then
    return
  end
  local file, err = io.open(logfile, "w+")
  if not file then
    error("failed to open " .. logfile .. ": " .. err)
  end
  file:close()
end


-- The settings that a node was started with.
function nodes.get_running_conf(prefix)
  return conf_loader(path.join(prefix or conf.prefix, ".kong_env"), nil, { from_kong_env = true })
end


-- ---- starting and stopping ------------------------------------------------------------------

local function write_yaml(document, file_name)
  local file, err = io.open(file_name, "w")
  if not file then
    return nil, err
  end
  file:write(require("kong.db.declarative").to_yaml_string(document))
  file:close()
  return file_name
end


local function declarative(env, prefix)
  kept_configuration = kept_configuration or database.take_configuration()
  if kept_configuration then
    env.declarative_config = assert(write_yaml(kept_configuration, prefix .. "/config.yml"))
  end
  return env
end


-- Starts a node. Answers true, or nil and what the command said.
function nodes.start_kong(env, names, preserve_prefix, fixtures)
  if names ~= nil and type(names) ~= "table" then
    error("arg #2 must be a list of tables to truncate", 2)
  end
  env = tables.cycle_aware_deep_copy(env or {})
  local prefix = env.prefix or conf.prefix
  if not (preserve_prefix or settings.dont_clean) then
    nodes.clean_prefix(prefix)
  end
  local ok, err = nodes.prepare_prefix(prefix)
  if not ok then
    return nil, err
  end
  database.truncate(names)
  if not env.declarative_config and not env.declarative_config_string
     and (env.database or conf.database) == "off" then
    env = declarative(env, prefix)
  end

  local nginx_conf = env.nginx_conf
  env.nginx_conf = nil
  local with_upstream = nginx_conf and env.role ~= "data_plane"
  ok, err = mocks.start(prefix, with_upstream, fixtures, env.nginx_http_lua_shared_dict)
  if not ok then
    return nil, err
  end
  if fixtures and fixtures.dns_mock then
    env = dns_mock.serve(prefix, fixtures.dns_mock, env)
  end
  local words = "start --conf " .. settings.test_conf_path .. (nginx_conf and " --nginx-conf " .. nginx_conf
      or "")
  local stdout
  ok, err, stdout = commands.kong_exec(words .. " --nginx-conf-flags test", env)
  if not ok then
    kept_configuration = nil
  end
  return ok, err, stdout
end


-- Cleans up after a node that was stopped without waiting for its end.
function nodes.cleanup_kong(prefix, preserve_prefix, preserve_configuration)
  prefix = prefix or conf.prefix
  if not (preserve_prefix or settings.dont_clean) then
    nodes.clean_prefix(prefix)
  end
  if not preserve_configuration then
    kept_configuration = nil
  end
  ngx.ctx.workspace = nil
end


-- Stops a node. Answers true, or nil and why not; the pid file where its end is not waited for.
function nodes.stop_kong(prefix, preserve_prefix, preserve_configuration, signal, no_wait)
  prefix = prefix or conf.prefix
  mocks.stop(prefix)
  dns_mock.stop(prefix)
  local running, err = nodes.get_running_conf(prefix)
  if not running then
    return nil, err
  end
  local pid
  pid, err = pids.read(running.nginx_pid)
  if not pid then
    return nil, err
  end
  if not pids.signal(pid, signal or "TERM") then
    return nil, "no process " .. pid
  end
  if no_wait then
    return running.nginx_pid
  end
  if not pids.wait(pid) then
    pids.signal(pid, "KILL")
    pids.wait(pid)
  end
  nodes.cleanup_kong(prefix, preserve_prefix, preserve_configuration)
  return true
end


function nodes.restart_kong(env, names, fixtures)
  nodes.stop_kong(env and env.prefix, true, true)
  return nodes.start_kong(env, names, true, fixtures)
end


-- ---- signals --------------------------------------------------------------------------------

local function pid_file(prefix, file)
  if file then
    return file
  end
  -- Not by the settings: these may name files that are gone, which is no reason to let the node run on.
  file = path.join(prefix or conf.prefix, "pids", "nginx.pid")
  if not path.exists(file) then
    error("no pid file found at prefix: " .. (prefix or conf.prefix), 3)
  end
  return file
end


-- Ends a node if one runs in the prefix.
function nodes.kill_all(prefix, timeout)
  local found, file = pcall(pid_file, prefix)
  local pid = found and pids.read(file)
  if pid then
    pids.signal(pid, "TERM")
    pids.wait_file(file, timeout)
  end
end


-- Sends a signal (`-TERM`) to the master of a node.
function nodes.signal(prefix, signal, file)
  local pid, err = pids.read(pid_file(prefix, file))
  if not pid then
    return nil, err
  end
  return commands.execute("kill " .. signal .. " " .. pid)
end


-- Sends a signal to the worker processes of a node. Answers the exit code.
function nodes.signal_workers(prefix, signal, file)
  file = pid_file(prefix, file)
  local _, code = commands.execute("pkill " .. signal .. " -P $(cat '" .. file .. "')", true)
  return code
end


-- ---- declarative files ----------------------------------------------------------------------

-- Writes a declarative file: of a text, or of what was inserted so far. Answers its name.
function nodes.make_yaml_file(content, file_name)
  file_name = file_name or path.tmpname() .. ".yml"
  if not content then
    return assert(write_yaml(database.take_configuration() or { _format_version = "3.0" }, file_name))
  end
  local file = assert(io.open(file_name, "w"))
  file:write(require("spec.internal.text").unindent(content), "\n")
  file:close()
  return file_name
end


-- ---- reloading ------------------------------------------------------------------------------

-- A folder under /tmp that is not there yet, and what removes it.
function nodes.make_temp_dir()
  local _, _, folder = commands.execute("mktemp -d /tmp/.kong-test-XXXXXX")
  folder = assert(folder, "failed to create temporary directory"):gsub("%s+$", "")
  return folder, function() commands.execute("rm -rf '" .. folder .. "'") end
end


-- Puts the old version of a plugin first on the path of nodes. Answers what takes it off again.
function nodes.use_old_plugin(name)
  local source = settings.old_kong .. "/kong/plugins/" .. name
  if not path.exists(source) then
    error("the specified plugin " .. name .. " doesn't exist", 2)
  end
  local folder, remove = nodes.make_temp_dir()
  commands.execute("mkdir -p " .. folder .. "/kong/plugins && cp -r " .. source .. " " .. folder
      .. "/kong/plugins")
  local before = settings.lua_path or os.getenv("LUA_PATH") or ";;"
  settings.lua_path = folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. before
  environment.setenv("LUA_PATH", settings.lua_path)
  return function()
    settings.lua_path = before
    remove()
  end
end


return nodes
