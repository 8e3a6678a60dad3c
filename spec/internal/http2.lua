-- HTTP/2 requests of specs, by way of curl.

local process = require "kong.process"

local concat, gsub, insert, lower = table.concat, string.gsub, table.insert, string.lower
local open, remove, tmpname = io.open, os.remove, os.tmpname
local assert, error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type =
  assert, error, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type

-- What is longer does not fit into a command line.
local LONGEST_WORD = 65536

local http2 = {}


local function quoted(text)
  return "'" .. gsub(tostring(text), "'", "'\\''") .. "'"
end


local headers_mt = {
  __index = function(headers, name)
    return type(name) == "string" and rawget(headers, lower(name)) or nil
  end,
}


-- The last header section of what curl wrote, and the body after it.
local function read(output)
  local at, status, headers = 1, nil, nil
  while true do
    local line, rest = output:match("^HTTP/%S+ (%d+)[^\n]*\n()", at)
    if not line then
      break
    end
    status, headers, at = tonumber(line), {}, rest
    repeat
      local field, after = output:match("^([^\r\n]*)\r?\n()", at)
      at = after or #output + 1
      local name, value = (field or ""):match("^([^:]+):%s*(.*)$")
      if name then
        name = lower(name)
        headers[name] = headers[name] and headers[name] .. ", " .. value or value
      end
    until not field or field == ""
    if status >= 200 then
      break
    end
  end
  return status, setmetatable(headers or {}, headers_mt), output:sub(at)
end


-- Runs curl. Answers status, headers and body; or nil and what curl said.
local function ask(url, options)
  local words = { "curl -sS -k -i --raw --max-time " .. (options.timeout or 60),
                  options.version == 1 and "--http1.1"
                  or url:sub(1, 8) == "https://" and "--http2" or "--http2-prior-knowledge",
                  "-X " .. (options.method or "GET") }
  if options.method == "HEAD" then
    words[3] = "-I"
  end
  if options.sni then
    insert(words, "--connect-to " .. quoted(options.sni .. ":" .. options.port .. ":" .. options.host .. ":"
        .. options.port))
  end
  for name, value in pairs(options.headers or {}) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      insert(words, "-H " .. quoted(name .. ": " .. tostring(one)))
    end
  end
  local body_file
  if options.body and #options.body > LONGEST_WORD then
    body_file = tmpname()
    local file = assert(open(body_file, "wb"))
    file:write(options.body)
    file:close()
    insert(words, "-H 'Expect:' --data-binary " .. quoted("@" .. body_file))
  elseif options.body then
    insert(words, "--data-binary " .. quoted(options.body))
  end
  insert(words, quoted(url))
  local code, stdout, stderr = process.run(concat(words, " "))
  if body_file then
    remove(body_file)
  end
  if code ~= 0 then
    return nil, stderr
  end
  return read(stdout)
end


-- A request as spec.internal.clients makes it. Answers a response, or nil and why not.
function http2.request(target, request)
  local host = target.ssl_server_name or target.host
  local url = target.scheme .. "://" .. host .. ":" .. target.port .. (request.path or "/")
  local status, headers, body = ask(url, {
    method = request.method, headers = request.headers, body = request.body,
    sni = target.ssl_server_name, host = target.host, port = target.port,
  })
  if not status then
    return nil, headers
  end
  return { status = status, headers = headers, read_body = function() return body end }
end


-- A function that makes a request and answers its body and headers; `headers:get(":status")` is the status.
function http2.client(host, port, tls)
  return function(options)
    options = options or {}
    local given = {}
    for name, value in pairs(options.headers or {}) do
      if name:sub(1, 1) ~= ":" then
        given[name] = value
      end
    end
    local method = options.headers and options.headers[":method"] or options.body and "POST" or "GET"
    local authority = options.headers and options.headers[":authority"]
    if authority then
      given.host = authority
    end
    local url = (tls and "https" or "http") .. "://" .. host .. ":" .. port
                .. (options.path or options.headers and options.headers[":path"] or "/")
    local status, headers, body = ask(url, {
      method = method, headers = given, body = options.body, timeout = options.timeout,
      version = options.http_version == "HTTP/1.1" and 1 or 2,
    })
    if not status then
      error(headers, 2)
    end
    headers.status = tostring(status)
    headers.get = function(_, name)
      return headers[(gsub(name, "^:", ""))]
    end
    return body, headers
  end
end


return http2
