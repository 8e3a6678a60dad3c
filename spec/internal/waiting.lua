-- Waiting for what a node does in its own time.

local cjson = require "cjson.safe"
local lfs = require "lfs"
local luassert = require "luassert.assert"

local clients = require "spec.internal.clients"
local commands = require "spec.internal.commands"

local error, ipairs, pairs, pcall, tonumber, tostring =
  error, ipairs, pairs, pcall, tonumber, tostring

local waiting = {}


-- ---- conditions -----------------------------------------------------------------------------

-- Waits until a function answers what is true.
function waiting.wait_until(condition, timeout, step)
  luassert.wait_until { fn = condition, condition = "truthy", timeout = timeout, step = step }
end


-- Waits until a function ends without an error.
function waiting.pwait_until(condition, timeout, step)
  luassert.wait_until { fn = condition, condition = "no_error", timeout = timeout, step = step }
end


-- ---- files ----------------------------------------------------------------------------------

function waiting.wait_for_file(mode, path, timeout)
  waiting.wait_until(function()
    local found, err = lfs.attributes(path, "mode")
    if found ~= mode then
      return false, "failed to wait for " .. mode .. " at " .. path .. ": " .. tostring(err or found)
    end
    return true
  end, timeout or 10)
end


function waiting.wait_for_file_contents(path, timeout)
  local content
  waiting.wait_until(function()
    local file, err = io.open(path, "r")
    content = file and file:read("*a")
    if file then
      file:close()
    end
    if not content then
      return false, "file (" .. path .. ") does not exist or is not readable: " .. tostring(err)
    end
    return #content > 0, "file (" .. path .. ") exists but is empty"
  end, timeout or 10)
  return content
end


-- ---- the node -------------------------------------------------------------------------------

local function admin(act, port)
  local client = clients.admin_client(nil, port)
  local ok, result, err = pcall(act, client)
  client:close()
  if not ok then
    error(result, 0)
  end
  return result, err
end


-- Waits until no cache of the node has a key.
function waiting.wait_for_invalidation(key, timeout)
  waiting.wait_until(function()
    return admin(function(client)
      local res = client:get("/cache/" .. key)
      res:read_body()
      return res.status ~= 200
    end)
  end, timeout or 10)
end


-- The worker processes of a node.
function waiting.get_kong_workers(expected)
  local workers
  waiting.wait_until(function()
    return admin(function(client)
      local res = client:get("/")
      if res.status ~= 200 then
        return nil, "GET / answered " .. res.status
      end
      workers = cjson.decode(res:read_body()).pids.workers
      local is_complete = not expected or #workers == expected
      return is_complete and #workers > 0, "expected " .. tostring(expected) .. " workers, got " .. #workers
    end)
  end, 10)
  return workers
end


-- Waits until the workers of a node are others than these.
function waiting.wait_until_no_common_workers(workers, expected)
  waiting.wait_until(function()
    local ok, now = pcall(waiting.get_kong_workers, expected)
    if not ok then
      return false, now
    end
    for _, pid in ipairs(now) do
      for _, old in ipairs(workers) do
        if pid == old then
          return false, "worker " .. pid .. " still runs"
        end
      end
    end
    return true
  end, 30)
end


-- Runs `kong reload` and waits until it took effect.
function waiting.reload_kong(strategy, ...)
  local workers = waiting.get_kong_workers()
  local ok, err = commands.kong_exec(...)
  if ok then
    waiting.wait_until_no_common_workers(workers, 1, strategy)
  end
  return ok, err
end


-- Waits until timers whose name matches are as `mode` says: "all-finish", "all-running",
-- "any-finish", "any-running", "worker-wide-all-finish", "worker-wide-all-running". Timers that no longer
-- exist have finished. The API lists its own thread's timers: those of the worker threads, which run at
-- once, get a moment.
function waiting.wait_timer(pattern, plain, mode, timeout, _, admin_port)
  local wants_running = mode:find("running", 1, true) ~= nil
  local function is_running(client)
    local body = cjson.decode(client:get("/timers"):read_body())
    for name, timer in pairs(body.stats.timers) do
      if timer.is_running and name:find(pattern, 1, plain) then
        return true
      end
    end
    return false
  end
  ngx.sleep(0.1)
  waiting.wait_until(function()
    return admin(is_running, admin_port) == wants_running
  end, timeout or 2)
end


-- A port that nothing listens on.
function waiting.get_available_port()
  local socket = require "socket"
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  server:close()
  return tonumber(port)
end


-- ---- propagation ----------------------------------------------------------------------------

local JSON = { ["Content-Type"] = "application/json" }


local function create(client, path, body)
  local res = client:post(path, { headers = JSON, body = body })
  local content = luassert.res_status(201, res)
  return cjson.decode(content)
end


-- Waits until what was written before over the Admin API is what all workers serve: what is written now
-- is seen, and then gone again.
function waiting.wait_for_all_config_update(options)
  options = options or {}
  local limit = options.timeout or 30
  local port = options.forced_admin_port
  local name = "wait-" .. require("kong.tools.uuid").uuid()
  local admin_client = clients.admin_client(nil, port)
  local service = create(admin_client, "/services", { name = name, host = "127.0.0.1", port = 1, path = "/" })
  local route = create(admin_client, "/services/" .. name .. "/routes", {
    paths = { "/" .. name }, protocols = { "http" }, methods = { "GET" },
  })
  create(admin_client, "/routes/" .. route.id .. "/plugins", {
    name = "request-termination", config = { status_code = 200 },
  })

  local function answers(status)
    return function()
      local client = clients.proxy_client(nil, options.forced_proxy_port, options.proxy_ip)
      local res = client:get("/" .. name)
      res:read_body()
      client:close()
      return res.status == status, "GET answered " .. res.status .. " instead of " .. status
    end
  end

  waiting.wait_until(answers(200), limit)
  luassert.res_status(204, admin_client:delete("/routes/" .. route.id))
  luassert.res_status(204, admin_client:delete("/services/" .. service.id))
  admin_client:close()
  waiting.wait_until(answers(404), limit)
end


local PENDING_HEADER = "x-kong-reconfiguration-status"


-- A proxy and an Admin client; what is written by the second is in force before the first asks.
function waiting.make_synchronized_clients(given)
  given = given or {}
  local proxy = given.proxy_client or clients.proxy_client()
  local api = given.admin_client or clients.admin_client()
  local plugin = create(api, "/plugins", { name = "reconfiguration-completion", config = { version = "0" } })
  local version, is_current = 0, true
  local ask_proxy, ask_api = proxy.request, api.request

  function api.request(self, options)
    local res, err = ask_api(self, options)
    if options.method ~= "GET" and res and res.status < 300 then
      is_current = false
    end
    return res, err
  end

  function proxy.request(self, options)
    if not is_current then
      version = version + 1
      is_current = true
      local res = ask_api(api, {
        method = "PATCH", path = "/plugins/" .. plugin.id, headers = JSON,
        body = cjson.encode { config = { version = tostring(version) } },
      })
      luassert.res_status(200, res)
      options.headers = options.headers or {}
      options.headers["If-Kong-Configuration-Version"] = tostring(version)
    end
    local res, err
    waiting.wait_until(function()
      res, err = ask_proxy(self, options)
      return not (res and res.headers[PENDING_HEADER] == "pending")
    end, 10)
    return res, err
  end

  return proxy, api
end


return waiting
