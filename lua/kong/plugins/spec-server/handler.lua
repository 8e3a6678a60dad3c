-- Answers requests as the server blocks of a spec say: by port, server name and location, as nginx does.

local cjson = require "cjson.safe"
local native = require "kong.native"

local assert, error, ipairs, loadstring, pairs, setfenv, setmetatable, tonumber, tostring, xpcall =
  assert, error, ipairs, loadstring, pairs, setfenv, setmetatable, tonumber, tostring, xpcall
local gsub, lower, sub = string.gsub, string.lower, string.sub
local ngx = ngx

local SpecServer = { VERSION = "1.0.0", PRIORITY = 1000000 }

local LOGS_PATH, LOGS = "/kong-spec-mock/", "sessions"
local HOP_BY_HOP = { connection = true, ["transfer-encoding"] = true, ["content-length"] = true,
                     ["keep-alive"] = true }

local loaded = {}


-- ---- servers --------------------------------------------------------------------------------

local function servers_of(file_name)
  local servers = loaded[file_name]
  if not servers then
    local file = assert(io.open(file_name))
    servers = assert(cjson.decode(file:read("*a")))
    file:close()
    loaded[file_name] = servers
  end
  return servers
end


-- The server of a port whose name is the request's host, or else the first of the port.
local function server_for(servers, port, host)
  local first
  for _, server in ipairs(servers) do
    for _, listen in ipairs(server.ports) do
      if listen == port then
        first = first or server
        for _, name in ipairs(server.names) do
          if lower(name) == host then
            return server
          end
        end
      end
    end
  end
  return first
end


-- nginx's choice: exact, longest prefix if it says so, first pattern, longest prefix.
local function location_for(server, uri)
  local longest
  for _, location in ipairs(server.locations) do
    local kind, path = location.kind, location.path
    if kind == "=" and path == uri then
      return location
    elseif (kind == "" or kind == "^~") and sub(uri, 1, #path) == path
           and (not longest or #path > #longest.path) then
      longest = location
    end
  end
  if longest and longest.kind == "^~" then
    return longest
  end
  for _, location in ipairs(server.locations) do
    if location.kind == "~" or location.kind == "~*" then
      local captures = ngx.re.match(uri, location.path, location.kind == "~*" and "ioj" or "oj")
      if captures then
        return location, captures
      end
    end
  end
  return longest
end


-- ---- directives -----------------------------------------------------------------------------

-- Code of server blocks sees the captures of its location and the variables that are `set` as nginx's.
local variables = setmetatable({}, {
  __index = function(_, name)
    local own = ngx.ctx.spec_variables
    local value = own and own[tostring(name)]
    if value ~= nil then
      return value
    end
    return ngx.var[name]
  end,
  __newindex = function(_, name, value)
    local own = ngx.ctx.spec_variables
    if own and own[tostring(name)] ~= nil then
      own[tostring(name)] = value
    else
      ngx.var[name] = value
    end
  end,
})

local environment = setmetatable({
  ngx = setmetatable({ var = variables }, { __index = ngx, __newindex = function(_, name,
      value) ngx[name] = value end }),
}, { __index = _G, __newindex = _G })

local chunks = {}


local function run(source)
  local chunk = chunks[source]
  if not chunk then
    local err
    chunk, err = loadstring(source, "=spec server")
    chunk = chunk and setfenv(chunk, environment) or error(err, 0)
    chunks[source] = chunk
  end
  return chunk()
end


-- A text with captures ($1) and variables ($name, ${name}) put in.
local function expand(text, captures)
  text = gsub(text, "%$(%d)", function(digit) return captures and captures[tonumber(digit)] or "" end)
  text = gsub(text, "%${([%w_]+)}", function(name) return variables[name] or "" end)
  return (gsub(text, "%$([%a_][%w_]*)", function(name) return variables[name] or "" end))
end


local function respond(location, captures)
  local code, text = tonumber(location["return"][1]), location["return"][2]
  ngx.status = code or 302
  if text and (code or 302) >= 300 and (code or 302) < 400 then
    ngx.header["Location"] = expand(text, captures)
  elseif text then
    ngx.print(expand(text, captures))
  end
end


-- Asks another server in the name of the client, for a mock that only listens in.
local function proxy(target)
  local client = require("resty.http").new()
  ngx.req.read_body()
  local res, err = client:request_uri(target .. ngx.var.request_uri, {
    method = ngx.req.get_method(), headers = ngx.req.get_headers(0, true), body = ngx.req.get_body_data(),
        ssl_verify = false,
  })
  if not res then
    ngx.log(ngx.ERR, "could not ask ", target, ": ", err)
    ngx.status = 502
    return
  end
  ngx.status = res.status
  for name, value in pairs(res.headers) do
    if not HOP_BY_HOP[lower(name)] then
      ngx.header[name] = value
    end
  end
  ngx.print(res.body)
end


-- Each directive's code in the order of nginx's phases; nil where there is none.
local function serve(server, location, captures)
  local own = {}
  ngx.ctx.spec_header_filter = location.header_filter
  ngx.ctx.spec_variables = own
  for name, capture in pairs(captures or {}) do
    own[tostring(name)] = capture
  end
  for _, of in ipairs { server, location } do
    for _, variable in ipairs(of.set or {}) do
      own[variable[1]] = expand(variable[2], captures)
    end
  end
  for _, header in ipairs(location.add_header or server.add_header or {}) do
    ngx.header[header[1]] = expand(header[2], captures)
  end
  for _, phase in ipairs { "rewrite", "access" } do
    local source = location[phase] or server[phase]
    if source then
      run(source)
    end
  end
  if location["return"] then
    respond(location, captures)
  elseif location.proxy then
    proxy(location.proxy)
  elseif location.echo then
    ngx.say(expand(location.echo, captures))
  elseif location.module then
    local module = require(location.module[1])
    module[location.module[2]](captures)
  elseif location.content then
    run(location.content)
  elseif not (location.access or location.rewrite) then
    ngx.status = 404
  end
end


-- ---- sessions that a spec asks for ----------------------------------------------------------

local function request_of(options)
  local request = {
    method = ngx.req.get_method(), uri = ngx.var.request_uri, headers = ngx.req.get_headers(0, true),
  }
  if options.req_body then
    ngx.req.read_body()
    request.body = ngx.req.get_body_data()
    local path = not request.body and ngx.req.get_body_file()
    if path then
      local file = assert(io.open(path, "rb"))
      request.body = file:read("*a")
      file:close()
    end
  end
  return request
end


-- Runs code and notes what it throws.
local function noting_errors(session, act, ...)
  local ok, err = xpcall(act, function(problem)
    session.err = session.err or {}
    session.err[#session.err + 1] = { (gsub(tostring(problem), "^%[?[^:]*:%d+: ", "")), debug.traceback("",
        2) }
    return problem
  end, ...)
  if not ok then
    error(err, 0)
  end
end


local function serve_logs(server, path)
  local logs = ngx.shared[server.logs]
  if path == "logs" then
    local list = {}
    local session = logs:lpop(LOGS)
    while session do
      list[#list + 1] = session
      session = logs:lpop(LOGS)
    end
    ngx.print("[", table.concat(list, ","), "]")
  elseif path == "clear" then
    logs:delete(LOGS)
    ngx.print("ok")
  else
    ngx.print(logs:get("running") or 0)
  end
  return ngx.exit(200)
end


-- The gateway's own header fields are none of a mock server's.
function SpecServer:header_filter()
  native.pass_as_proxied()
  local filter = ngx.ctx.spec_header_filter
  if filter then
    run(filter)
  end
end


function SpecServer:body_filter()
  local session = ngx.ctx.spec_session
  if session and session.options.resp_body then
    session.body = (session.body or "") .. (ngx.arg[1] or "")
  end
end


function SpecServer:log()
  local session = ngx.ctx.spec_session
  if not session then
    return
  end
  local logs = ngx.shared[session.logs]
  local written = { req = session.req, err = session.err }
  if session.options.resp then
    written.resp = { status = ngx.status, headers = ngx.resp.get_headers(0, true), body = session.body }
  end
  logs:rpush(LOGS, cjson.encode(written))
  logs:incr("running", -1, 0)
end


local function begin_session(server, location)
  local session = { logs = server.logs, options = location.log, req = location.log.req
      and request_of(location.log) }
  ngx.shared[server.logs]:incr("running", 1, 0)
  ngx.ctx.spec_session = session
  return session
end


-- ---- phases ---------------------------------------------------------------------------------

local LOOK = 0.5

local watches = false


-- Ends the node when the process that runs the specs is gone.
local function follow(parent)
  local function look(premature)
    local alive = io.open("/proc/" .. parent .. "/stat")
    if alive then
      alive:close()
    elseif not premature then
      -- Asked of the runtime: the prefix with the pid file may be gone with the process.
      os.execute("kill -TERM " .. require("ngx.process").get_master_pid())
    end
  end
  watches = true
  assert(ngx.timer.every(LOOK, look))
end


function SpecServer:configure(configs)
  local parent = configs and configs[1] and configs[1].parent
  if parent and not watches then
    follow(parent)
  end
end


local started = {}


local function start(server)
  if server.init and not started[server] then
    started[server] = true
    run(server.init)
  end
end


function SpecServer:rewrite(conf)
  local port = tonumber(ngx.var.server_port)
  local server = server_for(servers_of(conf.file), port, lower(ngx.var.host or ""))
  if not server then
    return ngx.exit(ngx.ERROR)
  end
  start(server)
  local uri = ngx.var.uri
  if server.logs and sub(uri, 1, #LOGS_PATH) == LOGS_PATH then
    return serve_logs(server, sub(uri, #LOGS_PATH + 1))
  end
  local location, captures = location_for(server, uri)
  if location and server.logs and location.log then
    noting_errors(begin_session(server, location), serve, server, location, captures)
  elseif location then
    serve(server, location, captures)
  elseif server["return"] then
    respond(server)
  elseif server.content then
    run(server.content)
  else
    ngx.status = 404
  end
  if not ngx.headers_sent and ngx.status == 0 then
    ngx.status = 200
  end
  return ngx.exit(ngx.status ~= 0 and ngx.status or 200)
end


return SpecServer
