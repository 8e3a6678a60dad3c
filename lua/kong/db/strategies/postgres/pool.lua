--- The connections of a worker to a server of PostgreSQL that statements of plugins' own run on.
--
-- Pools are by where connections lead to and who they belong to: all connectors of a worker share them.

local encode = require("cjson").encode
local native = require "kong.native"
local semaphore = require "ngx.semaphore"

local now, update_time = ngx.now, ngx.update_time
local remove = table.remove
local setmetatable = setmetatable

local ERR_BACKLOG = "too many waiting connect operations"

-- How many connections are kept without use where kong.conf does not say.
local POOL_SIZE = 30

local Pool = {}
Pool.__index = Pool

local pools = {}


local function address(server)
  return encode { server.host, server.port, server.user, server.password or "", server.database,
                  server.schema or "", server.ssl, server.ssl_verify }
end


--- The pool for a server, see `servers.lua`.
function Pool.of(server)
  local name = address(server)
  local pool = pools[name]
  if not pool then
    pool = setmetatable({ idle = {}, count = 0, waiting = 0, freed = semaphore.new(0) }, Pool)
    pools[name] = pool
  end
  return pool
end


-- The connection that was used last, if it is not too old.
local function idle_connection(self, server)
  while self.idle[1] do
    local connection = remove(self.idle)
    local lifetime = server.keepalive_timeout
    if not lifetime or lifetime <= 0 or now() - connection.idle_since < lifetime / 1000 then
      return connection
    end
    self:drop(connection)
  end
end


-- Waits for its turn, where there may be only so many connections.
local function wait_for_turn(self, server)
  local size = server.pool_size or POOL_SIZE
  while server.backlog and not self.idle[1] and self.count >= size do
    if self.waiting >= server.backlog then
      return nil, ERR_BACKLOG
    end
    self.waiting = self.waiting + 1
    local ok, err = self.freed:wait(server.timeout / 1000)
    self.waiting = self.waiting - 1
    if not ok then
      return nil, err
    end
  end
  return true
end


--- A connection, used before or new.
-- @return the connection; nil and an error
function Pool:take(server)
  local ok, err = wait_for_turn(self, server)
  if not ok then
    return nil, err
  end
  local connection = idle_connection(self, server)
  if connection then
    return connection
  end
  self.count = self.count + 1
  connection, err = native.sql_connect(encode(server))
  if not connection then
    self:forget()
    return nil, err
  end
  connection.sock_type, connection.sock, connection.config = "nginx", true, server
  return connection
end


--- Keeps a connection for the next one.
function Pool:keep(connection)
  if #self.idle >= (connection.config.pool_size or POOL_SIZE) then
    return self:drop(connection)
  end
  update_time()
  connection.idle_since = now()
  self.idle[#self.idle + 1] = connection
  if self.waiting > 0 then
    self.freed:post(1)
  end
end


--- Closes a connection.
function Pool:drop(connection)
  connection.sock = nil
  connection:disconnect()
  self:forget()
end


--- Makes room for a connection: there is one less.
function Pool:forget()
  self.count = self.count - 1
  if self.waiting > 0 then
    self.freed:post(1)
  end
end


return Pool
