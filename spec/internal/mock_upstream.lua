-- The mock upstream: an HTTP service that tells what it was asked, on its well-known ports.

local cjson = require "cjson"
local safe = require "cjson.safe"

local ngx = ngx
local concat, find, format, match = table.concat, string.find, string.format, string.match
local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type

local NAME, VERSION = "mock_upstream", "mock-upstream/1.0.0"
local THIS = "spec.internal.mock_upstream"
local LOGS = "kong_mock_upstream_loggers"

local upstream = { dicts = { LOGS .. " 10m" } }


-- ---- responses ------------------------------------------------------------------------------

local function send(text, content_type, headers)
  text = ngx.req.get_method() == "HEAD" and "" or tostring(text)
  local header = ngx.header
  header["X-Powered-By"], header["Server"] = NAME, VERSION
  header["Content-Length"] = #text + 1
  header["Content-Type"] = content_type or "text/plain"
  for name, value in pairs(headers or {}) do
    header[name] = type(value) == "table" and concat(value, ", ") or value
  end
  ngx.say(text)
end


-- ---- what was asked -------------------------------------------------------------------------

local function body_text()
  ngx.req.read_body()
  local data = ngx.req.get_body_data()
  local path = not data and ngx.req.get_body_file()
  if path then
    local file = io.open(path, "rb")
    data = file:read("*a")
    file:close()
  end
  return data or ""
end


local function parts_of(body, content_type)
  local boundary = match(content_type, 'boundary="?([^";]+)')
  if not boundary then
    return nil, "could not find boundary in content type " .. content_type
  end
  local params = {}
  body = "\r\n" .. body
  local mark = "\r\n--" .. boundary
  local from = 1
  while true do
    local first, last = find(body, mark, from, true)
    if not first or body:sub(last + 1, last + 2) == "--" then
      return params
    end
    local stop = find(body, mark, last + 1, true) or #body + 1
    local head, value = match(body:sub(last + 1, stop - 1), "^\r\n(.-)\r\n\r\n(.*)$")
    local name = head and match(head, '[Nn]ame="(.-)"')
    if not name then
      return nil, "could not find part name in: " .. tostring(head)
    end
    params[name] = value
    from = stop
  end
end


local function post_data(content_type)
  local data = { text = body_text(), kind = "unknown", params = cjson.null }
  if type(content_type) ~= "string" then
    return data
  end
  local params, err
  if find(content_type, "application/x-www-form-urlencoded", 1, true) then
    data.kind = "form"
    params, err = ngx.req.get_post_args(0)
  elseif find(content_type, "multipart/form-data", 1, true) then
    data.kind = "multipart-form"
    params, err = parts_of(data.text, content_type)
  elseif find(content_type, "application/json", 1, true) then
    data.kind = "json"
    params, err = safe.decode(data.text)
  end
  data.params = params or cjson.null
  if err then
    data.kind, data.error = data.kind .. " (error)", tostring(err)
  end
  return data
end


local VARIABLES = [[uri host hostname https scheme is_args server_addr server_port server_name server_protocol
  remote_addr remote_port realip_remote_addr realip_remote_port binary_remote_addr request request_uri
  request_time request_length request_method bytes_received]]


local function variables()
  local vars = { ssl_server_name = ngx.var.ssl_server_name or "no SNI" }
  for name in VARIABLES:gmatch("%S+") do
    vars[name] = ngx.var[name]
  end
  return vars
end


local function echo(extra, headers)
  local vars, request_headers = variables(), ngx.req.get_headers(0)
  local document = {
    headers = request_headers,
    post_data = post_data(request_headers["Content-Type"]),
    url = format("%s://%s:%s%s", vars.scheme, vars.host, vars.server_port, vars.request_uri),
    uri_args = ngx.req.get_uri_args(0),
    vars = vars,
  }
  for name, value in pairs(extra or {}) do
    document[name] = value
  end
  send(cjson.encode(document), "application/json", headers)
end


-- ---- restrictions ---------------------------------------------------------------------------

local function only(method)
  if ngx.req.get_method() ~= method then
    ngx.status = 405
    send("Method not allowed for the requested URL")
    return false
  end
  return true
end


local function credentials(header)
  local encoded = header and match(header, "^%s*[Bb]asic%s*(.+)$")
  local decoded = encoded and ngx.decode_base64(encoded)
  if decoded then
    return match(decoded, "^([^:]*):?(.*)$")
  end
end


local function may_enter(user, password)
  local headers = ngx.req.get_headers(0)
  local given_user, given_password = credentials(headers["proxy-authorization"])
  if not given_user then
    given_user, given_password = credentials(headers["authorization"])
  end
  if given_user == user and given_password == password then
    return true
  end
  ngx.header["WWW-Authenticate"], ngx.header["X-Powered-By"] = NAME, NAME
  ngx.exit(401)
end


-- ---- locations ------------------------------------------------------------------------------

-- What can be asked, for who asks for "/".
local VALID_ROUTES = {
  ["/get"] = "what was asked, by GET only",
  ["/post"] = "what was asked, by POST only",
  ["/anything"] = "what was asked",
  ["/request"] = "as /anything",
  ["/xml"] = "a small XML document",
  ["/ws"] = "a WebSocket that echoes",
  ["/response-headers?:key=:val"] = "these header fields in the response",
  ["/cache/:n"] = "a response that may be cached for n seconds",
  ["/delay/:duration"] = "what was asked, after so many seconds",
  ["/status/:code"] = "what was asked, with this status",
  ["/basic-auth/:user/:pass"] = "what was asked, with these credentials only",
  ["/stream/:num"] = "so many lines, in chunks",
  ["/post_log/:logname"] = "keeps entries of a log", ["/read_log/:logname"] = "the entries of a log",
  ["/count_log/:logname"] = "their number", ["/reset_log/:logname"] = "forgets them",
}

function upstream.root()
  echo { valid_routes = VALID_ROUTES }
end

function upstream.unknown()
  ngx.status = 404
  echo()
end

function upstream.anything()
  echo()
end

function upstream.get()
  if only("GET") then
    echo()
  end
end

function upstream.post()
  if only("POST") then
    echo()
  end
end

function upstream.xml()
  send('<?xml version="1.0" encoding="UTF-8"?><note><body>Kong, Monolith destroyer.</body></note>',
       "application/xml")
end

function upstream.response_headers()
  if only("GET") then
    echo({}, ngx.req.get_uri_args(0))
  end
end

function upstream.hop_by_hop()
  local header = ngx.header
  header["Keep-Alive"], header["Proxy"] = "timeout=5, max=1000", "Remove-Me"
  header["Proxy-Connection"], header["Proxy-Authenticate"] = "close", "Basic"
  header["Proxy-Authorization"] = "Basic YWxhZGRpbjpvcGVuc2VzYW1l"
  header["Transfer-Encoding"], header["Content-Length"] = "chunked", nil
  header["TE"], header["Trailer"], header["Upgrade"] = "trailers, deflate;q=0.5", "Expires",
      "example/1, foo/2"
  ngx.print("hello\r\n\r\n\r\n")
  ngx.exit(200)
end

function upstream.cache(captures)
  echo({}, { ["Cache-Control"] = "public, max-age=" .. captures[1] })
end

function upstream.basic_auth(captures)
  if may_enter(captures[1], captures[2]) then
    echo { authenticated = true, user = captures[1] }
  end
end

function upstream.delay(captures)
  local seconds = tonumber(captures[1])
  ngx.sleep(seconds)
  echo { delay = seconds }
end

function upstream.status(captures)
  ngx.status = tonumber(captures[1])
  echo { code = tonumber(captures[1]) }
end

function upstream.stream(captures)
  local vars, headers = variables(), ngx.req.get_headers(0)
  ngx.header["X-Powered-By"], ngx.header["Server"] = NAME, VERSION
  ngx.header["Content-Type"] = "application/json"
  local line = cjson.encode { headers = headers, uri_args = ngx.req.get_uri_args(0), vars = vars,
    url = format("%s://%s:%s%s", vars.scheme, vars.host, vars.server_port, vars.request_uri) }
  for _ = 1, tonumber(captures[1]) do
    ngx.say(line)
  end
end

function upstream.echo_sni()
  ngx.say("SNI=" .. tostring(ngx.var.ssl_server_name or ""))
end

-- Echoes texts and answers pings, until the client closes or breaks the protocol.
function upstream.web_socket()
  local socket, err = require("resty.websocket.server"):new { timeout = 5000, max_payload_len = 65535 }
  if not socket then
    ngx.log(ngx.ERR, "no WebSocket: ", err)
    return ngx.exit(444)
  end
  local answers = { text = socket.send_text, ping = socket.send_pong }
  while true do
    local data, kind = socket:recv_frame()
    if socket.fatal or kind == "close" then
      break
    end
    local answer = data and answers[kind] or not data and socket.send_ping
    if answer and not answer(socket, data) then
      break
    end
  end
  socket:send_close()
end


-- ---- logs -----------------------------------------------------------------------------------

local function store(name)
  local logs = ngx.shared[LOGS]
  local entries = cjson.decode(body_text())
  if #entries == 0 then
    entries = { entries }
  end
  local headers = ngx.req.get_headers(0)
  for _, entry in ipairs(entries) do
    logs:rpush(name, cjson.encode { entry = entry, log_req_headers = headers })
    logs:incr(name .. "|count", 1, 0)
  end
  ngx.status = 200
end

function upstream.post_log(captures)
  if only("POST") then
    store(captures[1])
  end
end

function upstream.post_auth_log(captures)
  if only("POST") and may_enter(captures[2], captures[3]) then
    store(captures[1])
  end
end

function upstream.read_log(captures)
  if not only("GET") then
    return
  end
  local logs, name = ngx.shared[LOGS], captures[1]
  local entries = {}
  for i = 1, logs:llen(name) or 0 do
    local stored = logs:lpop(name)
    local log = cjson.decode(stored)
    entries[i] = log.entry
    entries[i].log_req_headers = log.log_req_headers
    logs:rpush(name, stored)
  end
  ngx.status = 200
  ngx.say(cjson.encode { entries = entries, count = logs:get(name .. "|count") })
end

function upstream.count_log(captures)
  if only("GET") then
    ngx.status = 200
    ngx.say(ngx.shared[LOGS]:get(captures[1] .. "|count") or 0)
  end
end

function upstream.reset_log(captures)
  ngx.shared[LOGS]:delete(captures[1])
  ngx.shared[LOGS]:delete(captures[1] .. "|count")
  ngx.status = 200
end


-- ---- where they are -------------------------------------------------------------------------

local LOCATIONS = {
  { "=", "/", "root" },
  { "", "/", "unknown" },
  { "", "/get", "get" },
  { "", "/xml", "xml" },
  { "", "/post", "post" },
  { "=", "/response-headers", "response_headers" },
  { "=", "/hop-by-hop", "hop_by_hop" },
  { "=", "/echo_sni", "echo_sni" },
  { "=", "/ws", "web_socket" },
  { "", "/request", "anything" },
  { "", "/anything", "anything" },
  { "~", "^/cache/(\\d+)$", "cache" },
  { "~", "^/basic-auth/([a-zA-Z0-9_]+)/(.+)$", "basic_auth" },
  { "~", "^/(?:request|anything)", "anything" },
  { "~", "^/delay/(\\d{1,3})$", "delay" },
  { "~", "^/status/(\\d{3})$", "status" },
  { "~", "^/stream/(\\d+)$", "stream" },
  { "~", "^/post_log/(.+)$", "post_log" },
  { "~", "^/post_auth_log/([^/]+)/([^/]+)/(.+)$", "post_auth_log" },
  { "~", "^/read_log/(.+)$", "read_log" },
  { "~", "^/count_log/(.+)$", "count_log" },
  { "~", "^/reset_log/(.+)$", "reset_log" },
}


-- The servers of the mock upstream.
function upstream.servers()
  local locations = {}
  for i, row in ipairs(LOCATIONS) do
    locations[i] = { kind = row[1], path = row[2], module = { THIS, row[3] } }
  end
  local settings = require "spec.internal.settings"
  local plain, tls = settings.mock_upstream_port, settings.mock_upstream_ssl_port
  return { { ports = { plain, tls }, tls = { [tostring(tls)] = true }, http2 = {},
      names = { "mock_upstream" },
             locations = locations } }
end


return upstream
