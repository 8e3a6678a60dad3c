-- resty.acme.storage.redis: a Redis server.
local redis = require "resty.redis"

local md5, null = ngx.md5, ngx.null
local floor, fmt, gsub, ipairs, setmetatable, sub, tostring =
  math.floor, string.format, string.gsub, ipairs, setmetatable, string.sub, tostring

local IDLE_MS, POOL_SIZE, SCAN_COUNT = 10000, 10, 10

local _M = {}
local mt = { __index = _M }


function _M.new(conf)
  conf = conf or {}
  return setmetatable({
    host = conf.host or "127.0.0.1",
    port = conf.port or 6379,
    database = conf.database or 0,
    username = conf.username,
    password = conf.password or conf.auth,
    namespace = conf.namespace or "",
    scan_count = conf.scan_count or SCAN_COUNT,
    tls = { ssl = conf.ssl, ssl_verify = conf.ssl_verify, server_name = conf.ssl_server_name },
  }, mt)
end


local function is_set(value)
  return value ~= nil and value ~= null and value ~= ""
end


local function connect(self, client)
  local options = { ssl = self.tls.ssl, ssl_verify = self.tls.ssl_verify }
  options.server_name = is_set(self.tls.server_name) and self.tls.server_name or nil
  -- connections of one user are none for another
  options.pool = fmt("acme:%s:%s:%s:%s:%s:%s", self.host, self.port, self.database, tostring(self.username),
                     is_set(self.password) and md5(self.password) or "", tostring(self.tls.ssl))
  local ok, err = client:connect(self.host, self.port, options)
  if not ok then
    return nil, err
  elseif (client:get_reused_times() or 0) > 0 then
    return true
  end
  if is_set(self.password) then
    if is_set(self.username) then
      ok, err = client:auth(self.username, self.password)
    else
      ok, err = client:auth(self.password)
    end
    if not ok then
      return nil, "authentication failed " .. err
    end
  end
  ok, err = client:select(self.database)
  if not ok then
    return nil, "can't select database " .. err
  end
  return true
end


-- Sends a command; nil and an error.
local function run(self, command, ...)
  local client, err = redis:new()
  if not client then
    return nil, err
  end
  local ok
  ok, err = connect(self, client)
  if not ok then
    client:close()
    return nil, err
  end
  local answer
  answer, err = client[command](client, ...)
  if err then
    client:close()
    return nil, err
  end
  client:set_keepalive(IDLE_MS, POOL_SIZE)
  return answer
end


-- The arguments by which a value expires, in milliseconds.
local function store(self, key, value, ttl, ...)
  if ttl then
    return run(self, "set", self.namespace .. key, value, "px", floor(ttl * 1000), ...)
  end
  return run(self, "set", self.namespace .. key, value, ...)
end


-- Sets what is not there yet; returns an error, "exists" when it is.
function _M:add(key, value, ttl)
  local answer, err = store(self, key, value, ttl, "nx")
  if err then
    return err
  elseif answer == null then
    return "exists"
  end
end


function _M:set(key, value, ttl)
  local _, err = store(self, key, value, ttl)
  return err
end


function _M:delete(key)
  local _, err = run(self, "del", self.namespace .. key)
  return err
end


function _M:get(key)
  local value, err = run(self, "get", self.namespace .. key)
  if err or value == null then
    return nil, err
  end
  return value
end


-- The keys that begin with a text; nil and an error.
function _M:list(prefix)
  local start = self.namespace .. (prefix or "")
  local pattern = gsub(start, "[%[%]%*%?\\]", "\\%0") .. "*"
  local found, seen, cursor = {}, {}, "0"
  repeat
    local answer, err = run(self, "scan", cursor, "match", pattern, "count", self.scan_count)
    if err then
      return nil, err
    end
    cursor = answer[1]
    for _, key in ipairs(answer[2]) do
      if not seen[key] then
        seen[key] = true
        found[#found + 1] = sub(key, #self.namespace + 1)
      end
    end
  until cursor == "0"
  return found
end


return _M
