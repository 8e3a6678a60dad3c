-- A mock HTTP server that a spec gives code to and asks what it was asked.
--
-- `http_mock.new(port or listen or nil, code or routes or nil, options)` makes one; `start`, `stop`,
-- `get_client`, `retrieve_mocking_logs`, `eventually:has_request()` … use it.

local helpers = require "spec.helpers"
local mocks = require "spec.internal.mocks"
local waiting = require "spec.internal.waiting"

local cjson = require "cjson.safe"

local error, ipairs, pairs, pcall, setmetatable, tonumber, tostring, type =
  error, ipairs, pairs, pcall, setmetatable, tonumber, tostring, type
local format, match = string.format, string.match

local EVENTUALLY_TIMEOUT, STEP = 5, 0.01
local LOGS = "kong_spec_mock_logs"

local Mock = {}
Mock.__index = Mock

local DEFAULT_ROUTES = {
  ["/"] = { access = 'ngx.req.set_header("X-Test", "test") ngx.print("ok") ngx.exit(200)' },
}


-- ---- servers --------------------------------------------------------------------------------

-- What a location runs: what is asked is written down before its own code answers.
local function location_of(path, route, log_options)
  local kind, rest = match(path, "^([=~*^]+)%s*(.+)$")
  local location = { kind = kind or "", path = rest or path }
  if type(route) == "string" then
    route = { access = route }
  end
  for _, phase in ipairs { "rewrite", "access", "content", "header_filter" } do
    location[phase] = route[phase]
  end
  -- The code of a filter may stand under the shorter name.
  location.header_filter = location.header_filter and route.header or location.header_filter
  local directives = route.directives or ""
  location.proxy = match(directives, "proxy_pass%s+([^;]+);")
  location.log = log_options
  return location
end


local function port_of(listen)
  local port = tonumber(match(tostring(listen), "(%d+)%s*$") or match(tostring(listen), "(%d+)"))
  return port or error("a mock server cannot listen on '" .. tostring(listen) .. "'", 3)
end


-- Makes a mock server. Answers it and its port.
function Mock.new(listens, routes, options)
  options = options or {}
  if listens == nil then
    listens = waiting.get_available_port()
  end
  if type(listens) ~= "table" then
    listens = { listens }
  end
  if type(routes) == "string" then
    routes = { ["/"] = { access = routes } }
  end
  local log_options = { req = true, req_body = true, req_body_large = true, err = true }
  for name, value in pairs(options.log_opts or {}) do
    log_options[name:gsub("^collect_", "")] = value
  end
  local server = { ports = {}, names = {}, locations = {}, tls = {}, http2 = {}, logs = LOGS }
  for i, listen in ipairs(listens) do
    server.ports[i] = port_of(listen)
    server.tls[tostring(server.ports[i])] = options.tls or match(tostring(listen), " ssl") ~= nil or nil
  end
  for path, route in pairs(routes or DEFAULT_ROUTES) do
    server.locations[#server.locations + 1] = location_of(path, route, log_options)
  end
  local port = server.ports[1]
  local self = setmetatable({
    server = server, port = port, routes = routes, listens = listens, log_opts = log_options,
    client_opts = { port = port, tls = options.tls }, eventually_timeout = options.eventually_timeout
        or EVENTUALLY_TIMEOUT,
    dicts = options.dicts, init = options.init, prefix = options.prefix, logs = {},
  }, Mock)
  self:_set_eventually_table()
  return self, port
end


function Mock:start()
  local dicts = { LOGS .. " 10m" }
  for name, size in pairs(self.dicts or {}) do
    dicts[#dicts + 1] = name .. " " .. size
  end
  self.server.init = self.init
  self.node = assert(mocks.serve({ self.server }, dicts, self.prefix))
  if self.prefix then
    -- nginx has its pid file there.
    assert(require("pl.file").copy(self.prefix .. "/pids/nginx.pid", self.prefix .. "/logs/nginx.pid"))
  end
  return true
end


function Mock:stop()
  if self.client then
    self.client:close()
    self.client = nil
  end
  if self.node then
    mocks.halt(self.node)
    self.node = nil
  end
  return true
end


-- ---- what was asked -------------------------------------------------------------------------

function Mock:get_client()
  self.client = self.client or helpers.http_client {
    scheme = self.client_opts.tls and "https" or "http", host = "localhost", port = self.client_opts.port,
    ssl_verify = false, reopen = true,
  }
  return self.client
end


local function ask(self, path)
  local client = helpers.http_client {
    scheme = self.client_opts.tls and "https" or "http", host = "127.0.0.1", port = self.port,
        ssl_verify = false,
  }
  local res = client:get(path)
  local body = res:read_body()
  client:close()
  return body
end


-- The sessions since the last call: a list of `{ req =, resp =, err = }`.
function Mock:retrieve_mocking_logs()
  local logs = cjson.decode(ask(self, "/kong-spec-mock/logs")) or {}
  for _, session in ipairs(logs) do
    self.logs[#self.logs + 1] = session
  end
  return logs
end


-- Forgets what was asked so far.
function Mock:clean()
  ask(self, "/kong-spec-mock/clear")
  self.logs = {}
end

Mock.clear_logs = Mock.clean


function Mock:wait_until_no_request()
  waiting.wait_until(function()
    return ask(self, "/kong-spec-mock/running") == "0"
  end, self.eventually_timeout)
end


-- All sessions since the start.
function Mock:get_all_logs()
  self:wait_until_no_request()
  self:retrieve_mocking_logs()
  return self.logs
end


-- ---- eventually -----------------------------------------------------------------------------

local Eventually = {}
Eventually.__index = Eventually


-- Until a session passes, or none does any more.
local function some(check)
  return function(self, ...)
    local limit, err = ngx.now() + self.mock.eventually_timeout, nil
    repeat
      for _, session in ipairs(self.mock:retrieve_mocking_logs()) do
        local ok, result = pcall(check, session, ...)
        if ok then
          return true
        end
        err = result
      end
      ngx.sleep(STEP)
      ngx.update_time()
    until ngx.now() >= limit
    error(err or "assertion fail. No request is sent and recorded.", 2)
  end
end


-- All sessions pass for as long as is waited.
local function all(check)
  return function(self, ...)
    local limit = ngx.now() + self.mock.eventually_timeout
    repeat
      for _, session in ipairs(self.mock:retrieve_mocking_logs()) do
        local ok, err = pcall(check, session, ...)
        if not ok then
          error(err or "assertion fail", 2)
        end
      end
      ngx.sleep(STEP)
      ngx.update_time()
    until ngx.now() >= limit
    return true
  end
end


-- Adds `has_NAME`, `all_NAME`, `has_no_NAME` and `not_all_NAME`.
function Mock.register_assert(name, check)
  local function negated(session, ...)
    if pcall(check, session, ...) then
      error(format("we don't expect that: %s", name), 2)
    end
  end
  Eventually["has_" .. name], Eventually["all_" .. name] = some(check), all(check)
  Eventually["has_no_" .. name], Eventually["not_all_" .. name] = all(negated), some(negated)
  Eventually["has_one_without_" .. name] = Eventually["not_all_" .. name]
end

Mock.register_assert("request", function() end)
Mock.register_assert("error", function(session) assert(session.err, "has no error") end)
Mock.register_assert("session_satisfy", function(session, test) return test(session) end)
Mock.register_assert("request_satisfy", function(session, test) return test(session.req) end)
Mock.register_assert("response_satisfy", function(session, test) return test(session.resp) end)
Mock.register_assert("error_satisfy", function(session, test) return test(session.err) end)


function Mock:_set_eventually_table()
  self.eventually = setmetatable({ mock = self }, Eventually)
  return self.eventually
end


function Mock:get_session()
  local found
  self.eventually:has_session_satisfy(function(session)
    found = session
    return true
  end)
  return found
end


function Mock:get_request()
  return self:get_session().req
end


function Mock:get_response()
  return self:get_session().resp
end


return Mock
