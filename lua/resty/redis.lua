-- resty.redis: a client of Redis over a cosocket (RESP 2).
local tcp, null = ngx.socket.tcp, ngx.null
local byte, find, sub, upper = string.byte, string.find, string.sub, string.upper
local concat, insert, remove = table.concat, table.insert, table.remove
local error, pairs, rawget, select, setmetatable = error, pairs, rawget, select, setmetatable
local tonumber, tostring, type, unpack = tonumber, tostring, type, unpack

local DOLLAR, STAR, PLUS, MINUS, COLON = byte("$*+-:", 1, 5)
local ERR_CLOSED = "not initialized"

local _M = { _VERSION = "0.33" }
local mt = { __index = _M }

-- Commands that lead into the subscribed state, and those that lead out of it.
local SUBSCRIBES = { subscribe = true, psubscribe = true }
local UNSUBSCRIBES = { unsubscribe = true, punsubscribe = true }

function _M:new()
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ _sock = sock, _subscribed = false, _channels = { 0, 0 }, _waiting = {} }, mt)
end

function _M.register_module_prefix(prefix)
  _M[prefix] = function(self)
    self._prefix = prefix
    return self
  end
end

local function with_sock(method)
  return function(self, ...)
    local sock = rawget(self, "_sock")
    if not sock then
      return nil, ERR_CLOSED
    end
    return method(self, sock, ...)
  end
end

_M.set_timeout = with_sock(function(_, sock, timeout)
  sock:settimeout(timeout)
end)

_M.set_timeouts = with_sock(function(_, sock, connect, send, read)
  sock:settimeouts(connect, send, read)
end)

local function require_type(value, expected, at, name)
  if type(value) ~= expected and not (at > 1 and name == "opts" and value == nil) then
    local also = name == "opts" and "nil or " or ""
    local got = " expected, got " .. type(value)
    error("bad argument #" .. at .. " " .. name .. ": " .. also .. expected .. got, 0)
  end
end

_M.connect = with_sock(function(self, sock, host, port, options)
  require_type(host, "string", 1, "host")
  local is_unix = sub(host, 1, 5) == "unix:"
  if is_unix then
    options = port
    require_type(options, "table", 2, "opts")
  else
    port = tonumber(port) or port
    require_type(port, "number", 2, "port")
    require_type(options, "table", 3, "opts")
  end
  self._subscribed, self._channels, self._waiting = false, { 0, 0 }, {}

  local ok, err
  if is_unix then
    ok, err = sock:connect(host, options)
  else
    ok, err = sock:connect(host, port, options)
  end
  if not ok then
    return nil, err
  end

  if options and options.ssl and sock:getreusedtimes() == 0 then
    ok, err = sock:sslhandshake(false, options.server_name, options.ssl_verify)
    if not ok then
      return nil, "failed to do ssl handshake: " .. tostring(err)
    end
  end
  return ok, err
end)

_M.set_keepalive = with_sock(function(self, sock, ...)
  if self._subscribed then
    return nil, "subscribed state"
  end
  return sock:setkeepalive(...)
end)

_M.get_reused_times = with_sock(function(_, sock)
  return sock:getreusedtimes()
end)

_M.close = with_sock(function(self, sock)
  self._subscribed = false
  return sock:close()
end)

-- Reads one reply. An error reply is false and its text.
local function read_reply(self, sock)
  local line, err = sock:receive()
  if not line then
    if err == "timeout" and not self._subscribed then
      sock:close()
    end
    return nil, err
  end

  local kind, rest = byte(line), sub(line, 2)
  if kind == PLUS then
    return rest
  elseif kind == MINUS then
    return false, rest
  elseif kind == COLON then
    return tonumber(rest)
  elseif kind == DOLLAR then
    local size = tonumber(rest)
    if size < 0 then
      return null
    end
    local data
    data, err = sock:receive(size)
    if not data then
      if err == "timeout" then
        sock:close()
      end
      return nil, err
    end
    local _, crlf_err = sock:receive(2)
    if crlf_err then
      return nil, crlf_err
    end
    return data
  elseif kind == STAR then
    local count = tonumber(rest)
    if count < 0 then
      return null
    end
    local list = {}
    for i = 1, count do
      local item, item_err = read_reply(self, sock)
      if item == nil then
        return nil, item_err
      end
      -- An error within a list does not end the list.
      list[i] = item == false and { false, item_err } or item
    end
    return list
  end
  return nil, "unknown prefix: \"" .. tostring(line) .. "\""
end

-- The request of a command, as pieces for `send`.
local function request_of(command, ...)
  local arguments = { ... }
  local count = #arguments
  local pieces = { "*", count + 1, "\r\n$", #command, "\r\n", command, "\r\n" }
  local at = #pieces
  for i = 1, count do
    local value = arguments[i]
    value = type(value) == "string" and value or tostring(value)
    pieces[at + 1], pieces[at + 2], pieces[at + 3] = "$", #value, "\r\n"
    pieces[at + 4], pieces[at + 5] = value, "\r\n"
    at = at + 5
  end
  return pieces
end

local function run(self, sock, command, ...)
  local prefix = rawget(self, "_prefix")
  if prefix then
    self._prefix = nil
    command = prefix .. "." .. command
  end

  local request = request_of(command, ...)
  local queue = rawget(self, "_queue")
  if queue then
    queue[#queue + 1] = concat(request)
    return
  end

  local sent, err = sock:send(request)
  if not sent then
    return nil, err
  end
  return read_reply(self, sock)
end

-- Place of the count of channels, by the command that leads in or out of them.
local COUNTS = { subscribe = 1, unsubscribe = 1, psubscribe = 2, punsubscribe = 2 }

-- The replies to a command about channels, one for each; messages that come between wait for
-- `read_reply`.
local function read_channel_replies(self, sock, name, first, count)
  local replies = { first }
  while #replies < count do
    local reply, err = read_reply(self, sock)
    if not reply then
      return nil, err
    end
    if reply[1] == name then
      replies[#replies + 1] = reply
    else
      insert(self._waiting, reply)
    end
  end
  return count == 1 and first or replies
end

local function follow_channels(self, sock, name, arguments, reply)
  local place = COUNTS[name]
  local known = self._channels
  local count = arguments
  if UNSUBSCRIBES[name] and arguments == 0 then
    count = known[place] > 0 and known[place] or 1
  end
  while type(reply) == "table" and reply[1] ~= name do
    insert(self._waiting, reply)
    local err
    reply, err = read_reply(self, sock)
    if not reply then
      return nil, err
    end
  end
  local replies, err = read_channel_replies(self, sock, name, reply, count)
  if not replies then
    return nil, err
  end
  if SUBSCRIBES[name] then
    known[place] = known[place] + count
  else
    known[place] = known[place] > count and known[place] - count or 0
  end
  self._subscribed = known[1] + known[2] > 0
  return replies
end

local function command(name)
  local wire = upper(name)
  return with_sock(function(self, sock, ...)
    if UNSUBSCRIBES[name] and not self._subscribed then
      return nil, "not subscribed"
    end
    if self._subscribed and not SUBSCRIBES[name] and not UNSUBSCRIBES[name]
      and name ~= "ping" and name ~= "quit" then
      return nil, "subscribed state"
    end
    local reply, err = run(self, sock, wire, ...)
    if reply and COUNTS[name] then
      return follow_channels(self, sock, name, select("#", ...), reply)
    end
    return reply, err
  end)
end

-- hmset(key, table) or hmset(key, field, value, …)
_M.hmset = with_sock(function(self, sock, key, first, ...)
  if type(first) ~= "table" then
    if select("#", ...) == 0 then
      error("table expected, got " .. type(first), 3)
    end
    return run(self, sock, "HMSET", key, first, ...)
  end
  local pairs_of, count = {}, 0
  for field, value in pairs(first) do
    pairs_of[count + 1], pairs_of[count + 2] = field, value
    count = count + 2
  end
  return run(self, sock, "HMSET", key, unpack(pairs_of, 1, count))
end)

-- The next message of a subscription.
_M.read_reply = with_sock(function(self, sock)
  if not self._subscribed then
    return nil, "not subscribed"
  end
  local waiting = self._waiting
  if waiting[1] then
    return remove(waiting, 1)
  end
  return read_reply(self, sock)
end)

function _M:init_pipeline()
  self._queue = {}
end

function _M:cancel_pipeline()
  self._queue = nil
end

_M.commit_pipeline = with_sock(function(self, sock)
  local queue = rawget(self, "_queue")
  if not queue then
    return nil, "no pipeline"
  end
  self._queue = nil
  local sent, err = sock:send(concat(queue))
  if not sent then
    return nil, err
  end

  local replies = {}
  for i = 1, #queue do
    local reply, reply_err = read_reply(self, sock)
    if reply == nil then
      if reply_err == "timeout" then
        sock:close()
      end
      return nil, reply_err
    end
    replies[i] = reply == false and { false, reply_err } or reply
  end
  return replies
end)

-- { k1, v1, k2, v2 } as { k1 = v1, k2 = v2 }
function _M:array_to_hash(list)
  local hash = {}
  for i = 1, #list, 2 do
    hash[list[i]] = list[i + 1]
  end
  return hash
end

function _M.add_commands(...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    if type(name) ~= "string" or not find(name, "^%a[%w_]*$") then
      error("bad command name", 2)
    end
    _M[name] = command(name)
  end
end

-- Any other name is a command.
return setmetatable(_M, {
  __index = function(_, name)
    local method = command(name)
    _M[name] = method
    return method
  end,
})
