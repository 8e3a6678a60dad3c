-- Makes the global `kong` of a VM.

local native = require "kong.native"

require "kong.declarations"

-- Functions that read at most so many items where nothing is asked, by the property that says how
-- many, which argument asks, and what the log calls the items.
local LIMITED = {
  { "lua_max_req_headers", ngx.req, "get_headers", 1, "request headers" },
  { "lua_max_resp_headers", ngx.resp, "get_headers", 1, "response headers" },
  { "lua_max_uri_args", ngx.req, "get_uri_args", 1, "uri args" },
  { "lua_max_uri_args", ngx, "decode_args", 2, "decode args" },
  { "lua_max_post_args", ngx.req, "get_post_args", 1, "post args" },
}

-- Numbers and sparse arrays in what Kong encodes.
local function set_up_json()
  local cjson = require "cjson.safe"
  cjson.encode_sparse_array(nil, nil, 2 ^ 15)
  cjson.encode_number_precision(16)
end


local function told(items, read, err)
  if err == "truncated" then
    kong.log.notice(items, " truncated")
  end
  return read, err
end


local function limited(read, position, most, items)
  if position == 1 then
    return function(max, ...)
      return told(items, read(max or most, ...))
    end
  end
  return function(text, max, ...)
    return told(items, read(text, max or most, ...))
  end
end


local function limit(values)
  for _, rule in ipairs(LIMITED) do
    local most, noun, name = values[rule[1]] or 100, rule[2], rule[3]
    noun[name] = limited(noun[name], rule[4], most, rule[5])
  end
end


-- Lets a hook see what plugins log, where one is on; what the hook itself logs goes to the log alone.
local function offer_logs()
  local run_hook = require("kong.dynamic_hook").run_hook
  local log, offering = ngx.log, false
  native_ngx_log = log

  ngx.log = function(...)
    if not offering then
      offering = true
      run_hook("observability_logs", "push", 5, nil, ...)
      offering = false
    end
    return log(...)
  end
end


-- Fills `kong` over a table of configuration values.
return function(values)
  -- Modules take what they need of `kong` while they load: it exists first.
  kong = {
    version = require("kong.meta").version,
    version_num = 3009003,
  }

  local pdk = require "kong.pdk"
  local cache = require "kong.cache"

  set_up_json()
  limit(values)
  offer_logs()
  pdk.new(values, kong)

  local database = values.database
  local ttl = database == "off" and 0 or values.db_cache_ttl
  local neg_ttl = database == "off" and 0 or values.db_cache_neg_ttl or ttl

  kong.db = require("kong.db").new(values)
  local _, _, _, version = native.store_info()
  kong.db.infos.db_ver = version or kong.db.infos.db_ver
  kong.worker_events = require "kong.worker_events"
  kong.cluster_events = require("kong.cluster_events").new()
  kong.timer = require "kong.timer"
  kong.dns = require "kong.resty.dns.client"
  kong.cache = cache.new("kong_db_cache", {
    ttl = ttl, neg_ttl = neg_ttl, resurrect_ttl = values.resurrect_ttl,
  })
  kong.core_cache = cache.new("kong_core_db_cache", { ttl = ttl, neg_ttl = neg_ttl,
                                                       resurrect_ttl = values.resurrect_ttl })
  kong.default_workspace = native.default_workspace()
  require("kong.pdk.vault").load(values.loaded_vaults)
  require("kong.observability.tracing.instrumentation").init(values)
end
