-- Sending a request.
local headers_of = require("resty.http_headers").new

local encode_args = ngx.encode_args
local concat = table.concat
local find, lower, sub, upper = string.find, string.lower, string.sub, string.upper
local ipairs, pairs, setmetatable, tostring, type = ipairs, pairs, setmetatable, tostring, type

local VERSIONS = { [1.0] = " HTTP/1.0\r\n", [1.1] = " HTTP/1.1\r\n" }

local _M = {}

_M._VERSION = "0.17.2"
_M._USER_AGENT = "lua-resty-http/" .. _M._VERSION .. " (Lua) ngx_lua/" .. ngx.config.ngx_lua_version

local function host_field(self)
  local host = self.host
  if not host or sub(host, 1, 5) == "unix:" then
    return "localhost"
  end
  if find(host, ":", 1, true) and sub(host, 1, 1) ~= "[" then
    host = "[" .. host .. "]"
  end
  if not self.port or self.port == (self.ssl and 443 or 80) then
    return host
  end
  return host .. ":" .. self.port
end

local function body_length(body)
  if type(body) == "table" then
    local length = 0
    for _, piece in ipairs(body) do
      length = length + #tostring(piece)
    end
    return length
  end
  return #tostring(body)
end

local function fields_of(self, params, version)
  local fields = headers_of(params.headers)
  local body = params.body
  if type(body) == "function" then
    if not fields["Content-Length"] and not fields["Transfer-Encoding"] then
      return nil, "Request body is a function but a length or chunked encoding is not specified"
    end
  elseif not fields["Content-Length"] and not fields["Transfer-Encoding"] then
    local method = upper(params.method or "GET")
    if body then
      fields["Content-Length"] = body_length(body)
    elseif method == "POST" or method == "PUT" or method == "PATCH" then
      fields["Content-Length"] = 0
    end
  end
  if not fields["Host"] then
    fields["Host"] = host_field(self)
  end
  if not fields["User-Agent"] then
    fields["User-Agent"] = _M._USER_AGENT
  end
  if version == 1.0 and not fields["Connection"] then
    fields["Connection"] = "Keep-Alive"
  end
  if self.http_proxy_authorization and not fields["Proxy-Authorization"] then
    fields["Proxy-Authorization"] = self.http_proxy_authorization
  end
  return fields
end

local function head_of(self, params, fields, version)
  local path = params.path or "/"
  if sub(path, 1, 1) ~= "/" and path ~= "*" then
    path = "/" .. path
  end
  local query = params.query
  if type(query) == "table" then
    query = encode_args(query)
  end
  if query and query ~= "" then
    if sub(query, 1, 1) ~= "?" then
      query = "?" .. query
    end
  else
    query = ""
  end

  local lines = { upper(params.method or "GET"), " ", self.path_prefix or "", path, query, VERSIONS[version] }
  local at = #lines
  for name, values in pairs(fields) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[at + 1], lines[at + 2], lines[at + 3], lines[at + 4] = name, ": ", tostring(value), "\r\n"
      at = at + 4
    end
  end
  lines[at + 1] = "\r\n"
  return concat(lines)
end

local function send_body(sock, body)
  if type(body) ~= "function" then
    if body then
      return sock:send(body)
    end
    return true
  end
  repeat
    local piece, err = body()
    if err then
      return nil, err
    end
    if piece then
      local sent
      sent, err = sock:send(piece)
      if not sent then
        return nil, err
      end
    end
  until not piece
  return true
end

function _M:send_request(params)
  setmetatable(params, { __index = { method = "GET", version = 1.1, path = "/" } })
  local version = params.version
  if not VERSIONS[version] then
    return nil, "unknown HTTP version"
  end
  local fields, err = fields_of(self, params, version)
  if not fields then
    return nil, err
  end
  local sent
  sent, err = self.sock:send(head_of(self, params, fields, version))
  if not sent then
    return nil, err
  end
  if lower(tostring(fields["Expect"])) == "100-continue" then
    -- The body goes out once the server has asked for it.
    return true
  end
  return send_body(self.sock, params.body)
end

_M._send_body = send_body

return _M
