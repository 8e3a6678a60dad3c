-- resty.memcached: a client of memcached's text protocol.
local ngx = ngx
local tcp = ngx.socket.tcp
local concat, find, match = table.concat, string.find, string.match
local error, pairs, setmetatable, tonumber, tostring, type =
  error, pairs, setmetatable, tonumber, tostring, type
local escape_uri, unescape_uri = ngx.escape_uri, ngx.unescape_uri

local ERR_NOT_READY = "not initialized"

local _M = { _VERSION = "0.17" }
local mt = { __index = _M }


-- `opts.key_transform`: how keys become what memcached takes, and back; URI escaping by default.
function _M.new(_, opts)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  local transform = opts and opts.key_transform or { escape_uri, unescape_uri }
  if type(transform) ~= "table" or #transform ~= 2 then
    return nil, "expecting key_transform = { escape, unescape } table"
  end
  return setmetatable({ sock = sock, escape_key = transform[1], unescape_key = transform[2] }, mt)
end


-- ---- the connection -------------------------------------------------------------------------

for _, name in pairs { "connect", "setkeepalive", "getreusedtimes", "settimeout", "close" } do
  local public = ({ setkeepalive = "set_keepalive", getreusedtimes = "get_reused_times",
                    settimeout = "set_timeout" })[name] or name
  _M[public] = function(self, ...)
    local sock = self.sock
    if not sock then
      return nil, ERR_NOT_READY
    end
    return sock[name](sock, ...)
  end
end


-- ---- lines ----------------------------------------------------------------------------------

-- Sends a command and reads the first line of its answer.
local function ask(self, ...)
  local sock = self.sock
  if not sock then
    return nil, ERR_NOT_READY
  end
  local bytes, err = sock:send(concat { ... })
  if not bytes then
    return nil, err
  end
  return sock:receive()
end


-- 1 where the answer is the one wished for; else nil and the answer.
local function expect(wanted, line, err)
  if not line then
    return nil, err
  elseif line == wanted then
    return 1
  end
  return nil, line
end


-- ---- reading --------------------------------------------------------------------------------

-- Reads values up to the line that ends them, and hands each to `add`.
local function read_values(self, line, add)
  local sock = self.sock
  while line ~= "END" do
    local key, flags, length, unique = match(line, "^VALUE (%S+) (%d+) (%d+) ?(%d*)$")
    if not key then
      return nil, line
    end
    local data, err = sock:receive(tonumber(length))
    if not data then
      return nil, err
    end
    local _, tail_err = sock:receive(2)
    if tail_err then
      return nil, tail_err
    end
    add(self.unescape_key(key), data, flags, unique)
    line, err = sock:receive()
    if not line then
      return nil, err
    end
  end
  return true
end


local function escaped(self, keys)
  local list = {}
  for i = 1, #keys do
    list[i] = self.escape_key(tostring(keys[i]))
  end
  return concat(list, " ")
end


-- One key: its value, flags, for `gets` its unique number, then the error. Many: a table of such lists.
local function retrieve(self, command, key)
  local is_many = type(key) == "table"
  if is_many and #key == 0 then
    return {}, nil
  end
  local line, err = ask(self, command, " ", escaped(self, is_many and key or { key }), "\r\n")
  local found = {}
  local ok
  if line then
    ok, err = read_values(self, line, function(name, data, flags, unique)
      found[name] = command == "gets" and { data, flags, unique } or { data, flags }
      found[1] = found[name]
    end)
  end
  local first = found[1]
  found[1] = nil
  if is_many then
    if not ok then
      return nil, err
    end
    return found, nil
  elseif command == "gets" then
    if not ok then
      return nil, nil, nil, err
    end
    return first and first[1], first and first[2], first and first[3], nil
  elseif not ok then
    return nil, nil, err
  end
  return first and first[1], first and first[2], nil
end


function _M:get(key)
  return retrieve(self, "get", key)
end


function _M:gets(key)
  return retrieve(self, "gets", key)
end


-- ---- writing --------------------------------------------------------------------------------

local function text_of(value)
  return type(value) == "table" and concat(value) or tostring(value)
end


local function store(self, command, key, value, exptime, flags, unique)
  value = text_of(value)
  local head = concat({
    command, self.escape_key(tostring(key)), tostring(flags or 0), tostring(exptime or 0), tostring(#value),
    unique and tostring(unique) or nil,
  }, " ")
  return ask(self, head, "\r\n", value, "\r\n")
end


for _, command in pairs { "set", "add", "replace", "append", "prepend" } do
  _M[command] = function(self, key, value, exptime, flags)
    return expect("STORED", store(self, command, key, value, exptime, flags))
  end
end


function _M:cas(key, value, cas_uniq, exptime, flags)
  return expect("STORED", store(self, "cas", key, value, exptime, flags, cas_uniq))
end


function _M:touch(key, exptime)
  key = self.escape_key(tostring(key))
  return expect("TOUCHED", ask(self, "touch ", key, " ", tostring(exptime), "\r\n"))
end


function _M:delete(key)
  return expect("DELETED", ask(self, "delete ", self.escape_key(tostring(key)), "\r\n"))
end


for _, command in pairs { "incr", "decr" } do
  _M[command] = function(self, key, value)
    local line, err = ask(self, command, " ", self.escape_key(tostring(key)), " ", tostring(value), "\r\n")
    if not line then
      return nil, err
    elseif not find(line, "^%d+") then
      return nil, line
    end
    return match(line, "^%d+")
  end
end


function _M:flush_all(time)
  return expect("OK", ask(self, "flush_all", time and " " .. tostring(time) or "", "\r\n"))
end


-- ---- the server -----------------------------------------------------------------------------

function _M:version()
  local line, err = ask(self, "version\r\n")
  if not line then
    return nil, err
  end
  local version = match(line, "^VERSION (.+)$")
  return version, not version and line or nil
end


function _M:stats(args)
  local line, err = ask(self, "stats", args and " " .. args or "", "\r\n")
  local lines = {}
  while line do
    if line == "END" then
      return lines, nil
    elseif not find(line, "ERROR", 1, true) then
      lines[#lines + 1] = line
    else
      return nil, line
    end
    line, err = self.sock:receive()
  end
  return nil, err
end


function _M:verbosity(level)
  return expect("OK", ask(self, "verbosity ", tostring(level), "\r\n"))
end


function _M:quit()
  if not self.sock then
    return nil, ERR_NOT_READY
  end
  local bytes, err = self.sock:send("quit\r\n")
  return bytes and 1, err
end


setmetatable(_M, { __newindex = function(_, name)
  error("attempt to write to undeclared variable \"" .. tostring(name) .. "\"", 2)
end })


return _M
