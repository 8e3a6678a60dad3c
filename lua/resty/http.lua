-- resty.http: an HTTP/1 client over a cosocket.
--
-- A client has the methods of its three parts: connect, send a request, read the response.
local headers_of = require("resty.http_headers").new

local ngx = ngx
local encode_base64, tcp = ngx.encode_base64, ngx.socket.tcp
local lower = string.lower
local error, ipairs, pairs, rawget, setmetatable, tostring =
  error, ipairs, pairs, rawget, setmetatable, tostring
local wrap, yield = coroutine.wrap, coroutine.yield

local HOP_BY_HOP = {}
for name in string.gmatch(
  "connection content-length keep-alive proxy-authenticate proxy-authorization "
    .. "te trailers transfer-encoding upgrade",
  "%S+"
) do
  HOP_BY_HOP[name] = true
end

local _M = {}
local mt = { __index = _M }

for _, part in ipairs { "connect", "request", "response" } do
  for name, value in pairs(require("resty.http." .. part)) do
    _M[name] = value
  end
end

function _M.new(_)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ sock = sock, keepalive = true }, mt)
end

function _M.debug() end

function _M:request(params)
  params = setmetatable({}, { __index = params })
  local expects = params.headers and lower(tostring(headers_of(params.headers)["Expect"])) == "100-continue"
  local copy = {}
  for _, name in ipairs { "method", "path", "query", "headers", "body", "version" } do
    copy[name] = params[name]
  end
  self.pending_body = expects and copy.body or nil
  local ok, err = self:send_request(copy)
  if not ok then
    return nil, err
  end
  return self:read_response(copy)
end

-- Sends all requests, then answers a list of responses that are read one after the other.
function _M:request_pipeline(requests)
  for _, params in ipairs(requests) do
    if params.headers and params.headers["Expect"] == "100-continue" then
      return nil, "Cannot pipeline request specifying Expect: 100-continue"
    end
    local ok, err = self:send_request(params)
    if not ok then
      return nil, err
    end
  end
  local responses = {}
  for i, params in ipairs(requests) do
    responses[i] = setmetatable({ response_read = false }, {
      __index = function(res, name)
        local read, err = self:read_response(params)
        if not read then
          return nil, err
        end
        for field, value in pairs(read) do
          res[field] = value
        end
        res.response_read = true
        return rawget(res, name)
      end,
    })
  end
  return responses
end

local function request_uri(self, uri, params)
  local parsed, err = self:parse_uri(uri, false)
  if not parsed then
    return nil, err
  end
  local options = {}
  for name, value in pairs(params or {}) do
    options[name] = value
  end
  options.scheme, options.host, options.port = parsed[1], parsed[2], parsed[3]
  options.path = options.path or parsed[4]
  if not options.query and parsed[5] ~= "" then
    options.query = parsed[5]
  end
  options.pool = options.keepalive_pool_name or options.pool

  local ok
  ok, err = self:connect(options)
  if not ok then
    return nil, err
  end
  local res
  res, err = self:request(options)
  if not res then
    self:close()
    return nil, err
  end
  res.body, err = res:read_body()
  if not res.body then
    self:close()
    return nil, err
  end

  if options.keepalive == false then
    self:close()
  else
    -- Failing to keep the connection is no failure of the request.
    self:set_keepalive(options.keepalive_timeout, options.keepalive_pool)
  end
  return res
end

function _M:request_uri(uri, params)
  return request_uri(self, uri, params)
end

-- Relaying

-- The body of the current request as a reader, for `body`.
function _M:get_client_body_reader(_, _)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if not body then
    local path = ngx.req.get_body_file()
    if not path then
      return nil
    end
    local file, err = io.open(path, "rb")
    if not file then
      return nil, err
    end
    body = file:read("*a")
    file:close()
  end
  return wrap(function()
    yield(body)
    yield(nil)
  end)
end

function _M:set_client_body_reader() end

-- Sends the current request on.
function _M:proxy_request(_)
  ngx.req.read_body()
  local args = ngx.var.args
  return self:request {
    method = ngx.req.get_method(),
    path = ngx.re.gsub(ngx.var.uri, "\\s", "%20", "jo") .. (args and "?" .. args or ""),
    body = ngx.req.get_body_data(),
    headers = ngx.req.get_headers(),
  }
end

-- Makes a response the response to the current request.
function _M:proxy_response(res, size)
  if not res then
    error("no response provided", 2)
  end
  ngx.status = res.status
  for name, value in pairs(res.headers) do
    if not HOP_BY_HOP[lower(name)] then
      ngx.header[name] = value
    end
  end
  repeat
    local piece, err = res.body_reader(size)
    if err then
      ngx.log(ngx.ERR, err)
      break
    end
    if piece then
      ngx.print(piece)
    end
  until not piece
end

-- The value of a Basic authorization.
function _M.basic_authorization(user, password)
  return "Basic " .. encode_base64(user .. ":" .. password)
end

return _M
