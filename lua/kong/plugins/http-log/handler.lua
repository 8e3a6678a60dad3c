-- http-log: sends requests as JSON to an HTTP server, one by one or in batches.

local cjson = require "cjson"
local http = require "resty.http"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"
local Queue = require "kong.tools.queue"

local kong = kong
local concat, pairs, tonumber, tostring = table.concat, pairs, tonumber, tostring
local encode_base64 = ngx.encode_base64

local PORTS = { http = 80, https = 443 }

local HttpLog = {
  VERSION = kong_meta.version,
  PRIORITY = 12,
}

-- What there is in a URL, by the URL.
local endpoints = {}


local function endpoint_of(url)
  local known = endpoints[url]
  if not known then
    local scheme, authority, path = url:match("^(%a[%w+.-]*)://([^/?#]*)([^?#]*)")
    local user, server = authority:match("^(.*)@(.*)$")
    server = server or authority
    local host = server:match("^%[.*%]") or server:match("^[^:]*")
    local port = tonumber(server:sub(#host + 2)) or PORTS[scheme]
    if path == "" then
      path = "/"
    end
    known = {
      host = host, port = port, url = scheme .. "://" .. host .. ":" .. port .. path,
      authorization = user and "Basic " .. encode_base64(user) or nil,
    }
    endpoints[url] = known
  end
  return known
end


local function headers_of(conf, endpoint, body)
  local headers = {}
  for name, value in pairs(conf.headers or {}) do
    headers[name] = value
  end
  headers["Content-Type"], headers["Content-Length"] = conf.content_type, #body
  headers.Authorization = endpoint.authorization or headers.Authorization
  return headers
end


-- Sends entries, each JSON already: as they are, or as an array where there may be several.
local function send(conf, entries)
  local body = entries[1]
  if conf.queue.max_batch_size ~= 1 then
    body = "[" .. concat(entries, ",") .. "]"
  end

  local endpoint = endpoint_of(conf.http_endpoint)
  local server = endpoint.host .. ":" .. tostring(endpoint.port)
  local client = http.new()
  client:set_timeout(conf.timeout)
  local response, err = client:request_uri(endpoint.url, {
    method = conf.method, headers = headers_of(conf, endpoint, body), body = body,
    keepalive_timeout = conf.keepalive, ssl_verify = false,
  })
  if not response then
    return nil, "failed request to " .. server .. ": " .. err
  end
  kong.log.debug("http-log sent data log server, ", server, " HTTP status ", response.status)
  if response.status >= 300 then
    return nil, "request to " .. server .. " returned status code " .. response.status
                .. " and body " .. response.body
  end
  return true
end


-- Configurations that differ only in how they queue share a queue.
local function queue_name(conf)
  local parts = { conf.http_endpoint, conf.method, conf.content_type, tostring(conf.timeout),
                  tostring(conf.keepalive), tostring(conf.retry_count) }
  return concat(parts, ":")
end


function HttpLog:log(conf)
  local entry = cjson.encode(log_entry.of(conf))
  local queue = Queue.get_plugin_params("http-log", conf, queue_name(conf))
  kong.log.debug("Queue name automatically configured based on configuration parameters to: ", queue.name)
  local ok, err = Queue.enqueue(queue, send, conf, entry)
  if not ok then
    kong.log.err("Failed to enqueue log entry to log server: ", err)
  end
end


return HttpLog
