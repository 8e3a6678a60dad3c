-- proxy-cache: answers from responses that were kept.

local cacheable = require "kong.plugins.proxy-cache.cacheable"
local build_cache_key = require("kong.plugins.proxy-cache.cache_key").build_cache_key
local http = require "kong.tools.http"
local kong_meta = require "kong.meta"
local strategies = require "kong.plugins.proxy-cache.strategies"

local kong, ngx = kong, ngx
local find, floor, lower, match, pairs = string.find, math.floor, string.lower, string.match, pairs
local directives_of = http.parse_directive_header

-- The form of what is kept; what is of another form is thrown away.
local FORM = 1
local ABSENT = "request object not in cache"
local PURGE = "proxy-cache:purge"

-- Headers that are not kept: those of one connection (RFC 9110, 7.6.1), and the length.
local NOT_KEPT = {}
for _, name in pairs { "connection", "content-length", "keep-alive", "proxy-authenticate",
                       "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade" } do
  NOT_KEPT[name] = true
end

local ProxyCache = {
  VERSION = kong_meta.version,
  PRIORITY = 100,
}


local function store_of(conf)
  return strategies { strategy_name = conf.strategy, strategy_opts = conf[conf.strategy] }
end


-- Whether a header that tells about the cache is wanted.
local function is_told(conf, name)
  return conf.response_headers[name] or ngx.var.http_kong_debug
end


local function tell(conf, name, value)
  if is_told(conf, name) then
    kong.response.set_header(name, value)
  end
end


-- ---- purging --------------------------------------------------------------------------------

local function purge(data)
  local plugin_id, key = match(data, "^([^:]*):(.*)$")
  kong.log.notice("handling purge of '", data, "'")
  local plugin, err = kong.db.plugins:select({ id = plugin_id })
  if not plugin then
    kong.log.err("error in retrieving plugins: ", err or "not found")
    return
  end
  local store = store_of(plugin.config)
  if key == "nil" then
    store:flush(true)
  else
    store:purge(key)
  end
end


-- Another node may have been told to purge.
function ProxyCache:init_worker()
  kong.cluster_events:subscribe(PURGE, purge)
end


-- ---- answering ------------------------------------------------------------------------------

local function key_of(conf)
  local consumer, route = kong.client.get_consumer(), kong.router.get_route()
  local path = match(ngx.var.request_uri, "^[^?]*")
  if conf.ignore_uri_case then
    path = lower(path)
  end
  return build_cache_key(consumer and consumer.id, route and route.id, kong.request.get_method(), path,
                         kong.request.get_query(), kong.request.get_headers(), conf)
end


-- Lets the request go on, and its response be kept.
local function miss(conf, key, status)
  kong.ctx.plugin.key = key
  tell(conf, "X-Cache-Status", status)
end


local function headers_of(conf, key, kept)
  local headers = {}
  for name, value in pairs(kept.headers) do
    local lowered = lower(name)
    if not NOT_KEPT[lowered] and not find(lowered, "ratelimit-remaining", 1, true) then
      headers[name] = value
    end
  end
  for _, name in pairs { "Age", "age", "X-Cache-Status", "X-Cache-Key" } do
    headers[name] = nil
  end
  headers.age = is_told(conf, "age") and floor(ngx.time() - kept.timestamp) or nil
  headers["X-Cache-Status"] = is_told(conf, "X-Cache-Status") and "Hit" or nil
  headers["X-Cache-Key"] = is_told(conf, "X-Cache-Key") and key or nil
  return headers
end


local function hit(conf, key, kept)
  local headers = headers_of(conf, key, kept)
  kept.headers = headers
  kong.ctx.shared.proxy_cache_hit = {
    res = kept, req = { body = kept.req_body }, server_addr = ngx.var.server_addr,
  }
  ngx.ctx.KONG_PROXIED = true
  return kong.response.exit(kept.status, kept.body, headers)
end


local function answer(conf, directives, key)
  local store = store_of(conf)
  local kept, err = store:fetch(key)
  if err == ABSENT then
    -- RFC 9111, 5.2.1.7
    if conf.cache_control and directives["only-if-cached"] then
      return kong.response.exit(504)
    end
    kong.ctx.plugin.req_body = kong.request.get_raw_body()
    return miss(conf, key, "Miss")
  elseif err then
    return kong.log.err(err)
  elseif kept.version ~= FORM then
    kong.log.notice("cache format mismatch, purging ", key)
    store:purge(key)
    return miss(conf, key, "Bypass")
  elseif not cacheable.is_fresh(conf, directives, kept) then
    return miss(conf, key, "Refresh")
  end
  return hit(conf, key, kept)
end


function ProxyCache:access(conf)
  local directives = directives_of(ngx.var.http_cache_control)
  if not cacheable.is_request(conf, directives) then
    return tell(conf, "X-Cache-Status", "Bypass")
  end
  local key = key_of(conf)
  tell(conf, "X-Cache-Key", key)
  return answer(conf, directives, key)
end


-- ---- keeping --------------------------------------------------------------------------------

function ProxyCache:header_filter(conf)
  local state = kong.ctx.plugin
  if not state.key then
    return
  end
  local directives = directives_of(ngx.var.sent_http_cache_control)
  if not cacheable.is_response(conf, directives) then
    state.key = nil
    return tell(conf, "X-Cache-Status", "Bypass")
  end
  state.headers = ngx.resp.get_headers(0, true)
  state.ttl = conf.cache_control and http.calculate_resource_ttl(directives) or conf.cache_ttl
end


function ProxyCache:body_filter(conf)
  local state = kong.ctx.plugin
  local body = state.key and kong.response.get_raw_body()
  if not body then
    return
  end
  local kept = {
    version = FORM, status = kong.response.get_status(), headers = state.headers, body = body,
    body_len = #body, timestamp = ngx.time(), ttl = state.ttl, req_body = state.req_body,
  }
  local ok, err = store_of(conf):store(state.key, kept, conf.storage_ttl or state.ttl)
  if not ok then
    kong.log.err(err)
  end
end


return ProxyCache
