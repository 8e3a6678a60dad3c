-- Small servers of specs, each in a thread of its own so that they answer while a spec waits.

local threads = require "llthreads2.ex"

-- `assert` stays a global: functions in threads of their own have no upvalues.
local coroutine, getmetatable, pairs, tonumber, type = coroutine, getmetatable, pairs, tonumber, type

local LOOK_STEP = 0.01

local STATUS_TEXTS = { [200] = "OK", [201] = "Created", [204] = "No Content", [302] = "Found",
                       [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden",
                           [404] = "Not Found",
                       [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable" }

local servers = {}


-- ---- TCP ------------------------------------------------------------------------------------

-- Runs in a thread of its own: nothing around it is seen there.
local function tcp_body(port, options)
  local socket = require "socket"
  local server = assert(socket.tcp4())
  server:settimeout(options.timeout or 60)
  assert(server:setoption("reuseaddr", true))
  assert(server:bind("*", port))
  assert(server:listen())
  local served, failed, line, greeted = 0, 0, nil, false
  -- One connection more than requests: the first only finds out that the server is there.
  for _ = 0, options.requests or 1 do
    local client, err = server:accept()
    if not client then
      line = err
      break
    end
    if options.tls and greeted then
      client = assert(require("ssl").wrap(client, {
        mode = "server", protocol = "any", key = options.key, certificate = options.certificate,
      }))
      client:dohandshake()
    end
    line, err = client:receive()
    if not line then
      failed = failed + (err == "closed" and 1 or 0)
    elseif not greeted then
      client:send("\\OK\n")
      greeted = true
    elseif line == "@DIE@" then
      client:send(served .. ":" .. failed .. "\n")
      client:close()
      break
    else
      served = served + 1
      client:send((options.prefix or "") .. line .. "\n")
    end
    client:close()
  end
  server:close()
  return line
end


-- Starts a server that answers a line with a line, for a number of requests. Answers its thread.
function servers.tcp_server(port, options)
  local copy = { key = "spec/fixtures/kong_spec.key", certificate = "spec/fixtures/kong_spec.crt" }
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  local thread = assert(threads.new({ tcp_body }, port, copy):start())
  local sock = ngx.socket.tcp()
  repeat
    sock:settimeout(100)
    local is_there = sock:connect("127.0.0.1", port)
    local answer
    if is_there then
      sock:send("\\START\n")
      answer = sock:receive()
      sock:close()
    end
    if answer ~= "\\OK" then
      ngx.sleep(LOOK_STEP)
    end
  until answer == "\\OK" or not thread:alive()
  return thread
end


-- Ends such a server. Answers how many requests it served and how many failed.
function servers.kill_tcp_server(port)
  local sock = ngx.socket.tcp()
  assert(sock:connect("127.0.0.1", port))
  assert(sock:send("@DIE@\n"))
  local counts = assert(sock:receive())
  assert(sock:close())
  local served, failed = counts:match("(%d+):(%d+)")
  return tonumber(served), tonumber(failed)
end


-- ---- UDP ------------------------------------------------------------------------------------

local function udp_body(port, count, timeout)
  local socket = require "socket"
  local server = assert(socket.udp())
  server:settimeout(timeout or 360)
  server:setoption("reuseaddr", true)
  assert(server:setsockname("127.0.0.1", port))
  local received, last_error = {}, nil
  while #received < count do
    local datagram, err, from = server:receivefrom()
    if not datagram then
      last_error = err
      break
    elseif datagram == "KONG_UDP_HELLO" then
      server:sendto("KONG_UDP_READY", "127.0.0.1", from)
    else
      received[#received + 1] = datagram
    end
  end
  server:close()
  if count > 1 then
    return received, last_error
  end
  return received[1], last_error
end


-- Starts a server that receives datagrams. Its thread's `join` answers one, or a list of several.
function servers.udp_server(port, count, timeout)
  port = port or 15555
  local thread = assert(threads.new({ udp_body }, port, count or 1, timeout):start())
  local socket = require "socket"
  local hello = socket.udp()
  hello:settimeout(0)
  hello:setsockname("127.0.0.1", 0)
  repeat
    hello:sendto("KONG_UDP_HELLO", "127.0.0.1", port)
    ngx.sleep(LOOK_STEP)
  until hello:receive() == "KONG_UDP_READY" or not thread:alive()
  hello:close()
  return thread
end


-- ---- HTTP, served by the spec itself --------------------------------------------------------

local function read_request(client)
  local lines, headers, length = {}, {}, nil
  repeat
    local line, err = client:receive("*l")
    if not line then
      return nil, err
    end
    lines[#lines + 1] = line
    local name, value = line:match("^([^:]+):%s*(.+)$")
    if name then
      headers[name] = value
      length = name:lower() == "content-length" and tonumber(value) or length
    end
  until line == ""
  local method = (lines[1]:match("^%S+") or ""):lower()
  local body
  if length then
    body = client:receive(length)
  elseif method == "put" or method == "post" then
    body = client:receive("*a")
  end
  return lines, body, headers
end


local function response_text(code, body, headers)
  code, body = code or 500, body or ""
  local lines = { "HTTP/1.1 " .. code .. " " .. (STATUS_TEXTS[code] or "") }
  lines[2], lines[3] = "Content-Length: " .. #body, "Connection: close"
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end


local function answer(response, lines, body, headers)
  if type(response) == "function" or type(response) == "table" and (getmetatable(response) or {}).__call then
    return response(lines, body, headers)
  elseif type(response) == "table" then
    return response_text(response.code or response[1], response.body or response[2], response.headers
        or response[3])
  end
  return response or "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
end


-- A coroutine that serves one request each time it is resumed with a response, and answers its lines,
-- body and headers.
function servers.http_mock(port, options)
  -- One that has its descriptor at once, for the option.
  local server = assert(require("socket").tcp4())
  server:settimeout(options and options.timeout or 60)
  assert(server:setoption("reuseaddr", true))
  assert(server:bind("*", port))
  assert(server:listen())
  return coroutine.wrap(function(response, ends)
    while not ends do
      local client, err = server:accept()
      local lines, body, headers
      if client then
        lines, body, headers = read_request(client)
        if lines then
          client:send(answer(response, lines, body, headers))
        end
        client:close()
      else
        lines, body = false, err
      end
      response, ends = coroutine.yield(lines, body, headers)
    end
    server:close()
    return true
  end)
end


return servers
