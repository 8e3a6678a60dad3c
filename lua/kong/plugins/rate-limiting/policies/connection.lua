-- Connections to the Redis server of a configuration.

local redis = require "resty.redis"

local kong, ngx = kong, ngx
local null = ngx.null
local fmt, type = string.format, type

local IDLE_MS, POOL_SIZE = 10000, 100

local _M = {}


local function present(value)
  return value ~= nil and value ~= null and value ~= ""
end


-- The server and the database that a configuration names.
function _M.store(settings)
  return fmt("%s:%d;%d", settings.host, settings.port, settings.database or 0)
end


-- The pool that its connections wait in. Those of one server, but for other databases, users or another
-- transport are no use to one another; the plain ones bear the names that Kong gives them.
local function pool(settings)
  local name = _M.store(settings)
  if (settings.database or 0) == 0 then
    name = fmt("%s:%d", settings.host, settings.port)
  end
  if settings.ssl then
    name = fmt("%s;ssl=%s;%s", name, settings.ssl_verify and "verified" or "any", settings.server_name or "")
  end
  return present(settings.username) and name .. ";user=" .. settings.username or name
end


local function log_in(red, settings)
  if not present(settings.password) then
    return true
  end
  return kong.vault.try(function(current)
    if present(current.username) then
      return red:auth(current.username, current.password)
    end
    return red:auth(current.password)
  end, settings)
end


-- What a connection that was just made needs before its use.
local function prepare(red, settings)
  local ok, err = log_in(red, settings)
  if not ok then
    return nil, "failed to auth Redis: ", err
  end
  if (settings.database or 0) ~= 0 then
    ok, err = red:select(settings.database)
    if not ok then
      return nil, "failed to change Redis database: ", err
    end
  end
  return true
end


local function open(red, settings)
  local ok, err = red:connect(settings.host, settings.port, {
    ssl = settings.ssl, ssl_verify = settings.ssl_verify, server_name = settings.server_name,
    pool = pool(settings),
  })
  if not ok then
    return nil, "failed to connect to Redis: ", err
  end
  local times
  times, err = red:get_reused_times()
  if not times then
    return nil, "failed to get connect reused times: ", err
  end
  if times > 0 then
    return true
  end
  return prepare(red, settings)
end


-- A connection that is ready for commands; nil and why not, which is also logged.
function _M.open(settings)
  local red = redis:new()
  red:set_timeout(settings.timeout)
  local ok, failed, err = open(red, settings)
  if ok then
    return red
  end
  kong.log.err(failed, err)
  red:close()
  return nil, type(err) == "string" and err or failed .. "no reason given"
end


-- Gives a connection back. One that cannot be kept is closed, which is logged.
function _M.keep(red)
  local ok, err = red:set_keepalive(IDLE_MS, POOL_SIZE)
  if not ok then
    kong.log.err("failed to set Redis keepalive: ", err)
  end
end


return _M
