--- Where the connections of plugins' own statements lead to: `pg_*` and `pg_ro_*`.

local null = ngx.null
local type = type

local _M = {}


-- A property; nil where it is not set.
local function set(value)
  if value == null or value == "" then
    return nil
  end
  return value
end


local function of(conf, prefix, base)
  local function property(name)
    local value = set(conf[prefix .. name])
    if value == nil and base then
      return base[name]
    end
    return value
  end
  local trusted = conf.lua_ssl_trusted_certificate
  return {
    host = property "host",
    port = property "port",
    timeout = property "timeout",
    user = property "user",
    password = property "password",
    database = property "database",
    schema = property "schema" or "",
    ssl = property "ssl" or false,
    ssl_verify = property "ssl_verify" or false,
    trusted = type(trusted) == "table" and trusted[1] and trusted or nil,
    max_concurrent_queries = property "max_concurrent_queries",
    semaphore_timeout = property "semaphore_timeout",
    keepalive_timeout = property "keepalive_timeout",
    pool_size = property "pool_size",
    backlog = property "backlog",
  }
end


--- The server that is written to, and the one that is only read from, where there is one. Commands do not
-- read from a replica.
function _M.of(conf)
  local write = of(conf, "pg_")
  local has_replica = set(conf.pg_ro_host) and not ngx.IS_CLI
  return write, has_replica and of(conf, "pg_ro_", write) or nil
end


return _M
