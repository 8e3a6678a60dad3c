-- Clients of nodes under test.

local cjson = require "cjson.safe"
local http = require "resty.http"

local commands = require "spec.internal.commands"
local settings = require "spec.internal.settings"
local tables = require "kong.tools.table"
local text = require "spec.internal.text"
local tools = require "kong.tools.http"

local assert, error, ipairs, pairs, setmetatable, tostring, type =
  assert, error, ipairs, pairs, setmetatable, tostring, type
local concat, find, upper = table.concat, string.find, string.upper

local conf = settings.conf
local DEFAULT_TIMEOUT, CLIENT_TIMEOUT = 10000, 60000
local BOUNDARY = "8fd84e9444e3946c"
local REPEATABLE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

local clients = {}

local Client = setmetatable({}, { __index = http })
Client.__index = Client


-- ---- requests -------------------------------------------------------------------------------

local function multipart(form, options, content_type, name)
  local parts = {}
  for field, value in pairs(form) do
    parts[#parts + 1] = "--" .. BOUNDARY .. '\r\nContent-Disposition: form-data; name="' .. field
        .. '"\r\n\r\n'
                        .. tostring(value) .. "\r\n"
  end
  local body = #parts > 0 and concat(parts) .. "--" .. BOUNDARY .. "--\r\n" or ""
  local headers = options.headers
  if not text.lookup(headers, "content-length") and not options.dont_add_content_length then
    headers["content-length"] = #body
  end
  if not find(content_type, "boundary=", 1, true) then
    headers[name] = content_type .. "; boundary=" .. BOUNDARY
  end
  return body
end


-- Writes a body that is a table as its content type says.
local function encode_body(options)
  if type(options.body) ~= "table" then
    return
  end
  local content_type, name = text.lookup(options.headers or {}, "Content-Type")
  content_type = content_type or ""
  if find(content_type, "application/json", 1, true) then
    options.body = cjson.encode(options.body)
  elseif find(content_type, "www-form-urlencoded", 1, true) then
    options.body = tools.encode_args(options.body, true, options.no_array_indexes)
  elseif find(content_type, "multipart/form-data", 1, true) then
    options.body = multipart(options.body, options, content_type, name)
  end
end


-- A response whose body can be read again.
local function keep_body(res)
  local read, was_read, body, err = res.read_body, false, nil, nil
  function res.read_body(self)
    if not was_read then
      was_read = true
      body, err = read(self)
    end
    if err then
      return body, err
    end
    return body -- and no second value, which a function called on the result would take for an argument
  end
  return res
end


function Client:send(options, is_repeated)
  options = options or {}
  encode_body(options)
  if type(options.query) == "table" then
    options.path = options.path .. "?" .. tools.encode_args(options.query)
    options.query = nil
  end
  if self.options.http_version == 2 then
    return require("spec.internal.http2").request(self.options, options)
  end
  local res, err = self:request(options)
  if res then
    return keep_body(res)
  end
  local is_closed = err == "closed" or err == "connection reset by peer"
  if is_closed and self.reopen and not is_repeated and REPEATABLE[upper(options.method or "GET")] then
    self:_connect()
    return self:send(options, true)
  end
  return nil, err
end


function Client:_connect()
  local options = self.options
  if options.http_version == 2 then
    return
  end
  local _, err = self:connect(options)
  if err then
    error("Could not connect to " .. (options.host or "unknown") .. ":" .. (options.port or "unknown")
        .. ": " .. err)
  end
  if options.connect_timeout and options.send_timeout and options.read_timeout then
    self:set_timeouts(options.connect_timeout, options.send_timeout, options.read_timeout)
  else
    self:set_timeout(options.timeout or DEFAULT_TIMEOUT)
  end
end


for _, method in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do
  Client[method] = function(self, path, options)
    local request = { method = upper(method), path = path }
    for name, value in pairs(options or {}) do
      request[name] = value
    end
    return assert(self:send(request))
  end
end


-- A client of a host and port, or with options.
function clients.http_client(host, port, timeout)
  local options = host
  if type(host) ~= "table" then
    options = { host = host, port = port, timeout = timeout }
  end
  if not options.scheme then
    options = tables.cycle_aware_deep_copy(options)
    options.scheme = options.port == 443 and "https" or "http"
  end
  local client = setmetatable(assert(http.new()), Client)
  client.options, client.reopen = options, options.reopen
  client:_connect()
  return client
end


-- ---- clients of the node's listeners --------------------------------------------------------

local function listener(list, ssl, http2)
  for _, entry in ipairs(list) do
    if entry.ssl == (ssl or false) and (http2 == nil or entry.http2 == http2) then
      return entry
    end
  end
end


local function proxy_listener(ssl, http2, what)
  return listener(conf.proxy_listeners, ssl, http2)
         or error("No proxy " .. what .. " found for ssl=" .. tostring(ssl or false), 3)
end


function clients.get_proxy_ip(ssl, http2)
  return proxy_listener(ssl, http2, "ip").ip
end


function clients.get_proxy_port(ssl, http2)
  return proxy_listener(ssl, http2, "port").port
end


function clients.proxy_client(timeout, port, ip, http_version)
  local http2
  if http_version == 2 then
    http2 = true
  end
  local entry = proxy_listener(false, http2, "port")
  return clients.http_client {
    scheme = "http", host = ip or entry.ip, port = port or entry.port, timeout = timeout or CLIENT_TIMEOUT,
    http_version = http2 and 2 or nil,
  }
end


function clients.proxy_ssl_client(timeout, sni, http_version)
  local entry = proxy_listener(true, true, "port")
  return clients.http_client {
    scheme = "https", host = entry.ip, port = entry.port, timeout = timeout or CLIENT_TIMEOUT,
    ssl_verify = false, ssl_server_name = sni, http_version = http_version == 2 and 2 or nil,
  }
end


local function api_client(list, scheme, what, timeout, port, host)
  local found
  for _, entry in ipairs(list) do
    found = entry.ssl == (scheme == "https") and entry or found
  end
  if not found and not port then
    error("No " .. scheme .. "-" .. what .. " found in the configuration", 3)
  end
  return clients.http_client {
    scheme = scheme, host = host or found.ip, port = port or found.port, timeout = timeout or CLIENT_TIMEOUT,
    reopen = true, ssl_verify = false,
  }
end


function clients.admin_client(timeout, port)
  return api_client(conf.admin_listeners, "http", "admin", timeout, port)
end


function clients.admin_ssl_client(timeout)
  return api_client(conf.proxy_listeners, "https", "admin", timeout)
end


function clients.admin_gui_client(timeout, port)
  return api_client(conf.admin_gui_listeners, "http", "admin", timeout, port, "127.0.0.1")
end


function clients.admin_gui_ssl_client(timeout, port)
  return api_client(conf.admin_gui_listeners, "https", "admin", timeout, port, "127.0.0.1")
end


-- ---- HTTP/2 and gRPC ------------------------------------------------------------------------

-- A function that makes a request and answers body and headers.
function clients.http2_client(host, port, tls)
  assert(port)
  return require("spec.internal.http2").client(host, port, tls)
end


function clients.proxy_client_h2c()
  local entry = proxy_listener(false, true, "port")
  return clients.http2_client(entry.ip, entry.port)
end


function clients.proxy_client_h2()
  local entry = proxy_listener(true, true, "port")
  return clients.http2_client(entry.ip, entry.port, true)
end


local function grpcurl_options(options)
  local words = {}
  for name, value in pairs(options) do
    if value ~= false then
      words[#words + 1] = name .. (type(value) == "string" and " " .. value or "")
    end
  end
  return concat(words, " ")
end


-- A function that calls a gRPC method by way of `grpcurl`, of the checkout or of the system.
function clients.grpc_client(host, port, options)
  options = options or {}
  options["-proto"] = options["-proto"] or "./spec/fixtures/grpc/hello.proto"
  return setmetatable({ opts = options }, {
    __call = function(_, call)
      local all = {}
      for _, set in ipairs { options, call.opts or {} } do
        for name, value in pairs(set) do
          all[name] = value
        end
      end
      local body = call.body
      if body ~= nil then
        all["-d"] = "'" .. (type(body) == "table" and cjson.encode(body) or body) .. "'"
      end
      local program = "$(test -x bin/grpcurl && echo bin/grpcurl || echo grpcurl)"
      local words = { program, grpcurl_options(all), host .. ":" .. port, assert(call.service) }
      local ok, _, stdout, stderr = commands.execute(concat(words, " "), true)
      return ok or nil, (stdout or "") .. (stderr or "")
    end,
  })
end


function clients.proxy_client_grpc(host, port)
  local entry = not (host and port) and proxy_listener(false, true, "port") or {}
  return clients.grpc_client(host or entry.ip, port or entry.port, { ["-plaintext"] = true })
end


function clients.proxy_client_grpcs(host, port)
  local entry = not (host and port) and proxy_listener(true, true, "port") or {}
  return clients.grpc_client(host or entry.ip, port or entry.port, { ["-insecure"] = true })
end


return clients
