-- resty.mysql: a client of MySQL and MariaDB: texts of SQL and their results.

local bytes = require "resty.mysql.bytes"
local handshake = require "resty.mysql.handshake"
local new_table = require "table.new"
local packets = require "resty.mysql.packets"

local ngx = ngx
local tcp, null = ngx.socket.tcp, ngx.null
local band, byte, char, setmetatable, tonumber = bit.band, string.byte, string.char, setmetatable, tonumber

local number, sized_number, sized_text = bytes.number, bytes.sized_number, bytes.sized_text
local read_error, receive_packet, send_packet = packets.read_error, packets.receive, packets.send

local ERR_NOT_READY = "not initialized"

local COM_QUIT, COM_QUERY = 1, 3
local MORE_RESULTS = 8

local CONNECTED, COMMAND_SENT = 1, 2

-- The default collation of each character set.
local CHARSETS = {
  _default = 0, big5 = 1, dec8 = 3, cp850 = 4, hp8 = 6, koi8r = 7, latin1 = 8, latin2 = 9, swe7 = 10,
  ascii = 11, ujis = 12, sjis = 13, hebrew = 16, tis620 = 18, euckr = 19, koi8u = 22, gb2312 = 24, greek = 25,
  cp1250 = 26, gbk = 28, latin5 = 30, armscii8 = 32, utf8 = 33, ucs2 = 35, cp866 = 36, keybcs2 = 37,
  macce = 38, macroman = 39, cp852 = 40, latin7 = 41, utf8mb4 = 45, cp1251 = 51, utf16 = 54, utf16le = 56,
  cp1256 = 57, cp1257 = 59, utf32 = 60, binary = 63, geostd8 = 92, cp932 = 95, eucjpms = 97, gb18030 = 248,
}

-- Types of columns whose values are numbers that Lua holds: decimal, tiny, short, long, float, double, int24,
-- year and new decimal.
local NUMERIC = { [0] = true, true, true, true, true, true, [9] = true, [13] = true, [0xf6] = true }

local _M = { _VERSION = "0.27" }
local mt = { __index = _M }


-- ---- the connection -------------------------------------------------------------------------

function _M.new()
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ sock = sock }, mt)
end


function _M.set_timeout(self, timeout)
  if not self.sock then
    return nil, ERR_NOT_READY
  end
  return self.sock:settimeout(timeout)
end


local function open(self, opts)
  local pool = { pool = opts.pool, pool_size = opts.pool_size, backlog = opts.backlog }
  local who = self.user .. ":" .. self.database .. ":"
  if opts.host then
    local port = opts.port or 3306
    pool.pool = pool.pool or who .. opts.host .. ":" .. port
    return self.sock:connect(opts.host, port, pool)
  end
  self.is_unix = true
  pool.pool = pool.pool or who .. opts.path
  return self.sock:connect("unix:" .. opts.path, pool)
end


-- Connects as `opts` says, or takes a connection of its pool. 1, or nil, what failed, and where the server
-- refused, its number and SQL state.
function _M.connect(self, opts)
  if not self.sock then
    return nil, ERR_NOT_READY
  end
  self._max_packet_size = opts.max_packet_size or 1024 * 1024
  self.compact = opts.compact_arrays
  self.database, self.user, self.password = opts.database or "", opts.user or "", opts.password or ""
  self.ssl_verify, self.use_ssl = opts.ssl_verify, opts.ssl or opts.ssl_verify
  self.charset = CHARSETS[opts.charset or "_default"]
  if not self.charset then
    return nil, "charset '" .. opts.charset .. "' is not supported"
  elseif not opts.host and not opts.path then
    return nil, 'neither "host" nor "path" options are specified'
  end

  local ok, err = open(self, opts)
  if not ok then
    return nil, "failed to connect: " .. err
  elseif (self.sock:getreusedtimes() or 0) > 0 then
    self.state = CONNECTED
    return 1
  end

  local code, state

  err, code, state = handshake.run(self)
  if err then
    return nil, err, code, state
  end
  self.state = CONNECTED
  return 1
end


function _M.set_keepalive(self, ...)
  if not self.sock then
    return nil, ERR_NOT_READY
  elseif self.state ~= CONNECTED then
    return nil, "cannot be reused in the current connection state: " .. (self.state or "nil")
  end
  self.state = nil
  return self.sock:setkeepalive(...)
end


function _M.get_reused_times(self)
  if not self.sock then
    return nil, ERR_NOT_READY
  end
  return self.sock:getreusedtimes()
end


function _M.close(self)
  if not self.sock then
    return nil, ERR_NOT_READY
  end
  self.state = nil
  local sent, err = send_packet(self, char(COM_QUIT))
  if not sent then
    return nil, err
  end
  return self.sock:close()
end


function _M.server_ver(self)
  return self._server_ver
end


-- Rows as lists in the order of the columns, instead of tables by their names.
function _M.set_compact_arrays(self, value)
  self.compact = value
end


-- ---- statements -----------------------------------------------------------------------------

function _M.send_query(self, query)
  if self.state ~= CONNECTED then
    return nil, "cannot send query in the current context: " .. (self.state or "nil")
  elseif not self.sock then
    return nil, ERR_NOT_READY
  end
  self.packet_no = -1
  local sent, err = send_packet(self, char(COM_QUERY) .. query)
  if not sent then
    return nil, err
  end
  self.state = COMMAND_SENT
  return sent
end


-- The outcome of a statement without rows.
local function read_outcome(self, packet)
  local outcome, at = {}, 2
  outcome.affected_rows, at = sized_number(packet, at)
  outcome.insert_id, at = sized_number(packet, at)
  outcome.server_status, at = number(packet, at, 2)
  outcome.warning_count, at = number(packet, at, 2)
  local message = sized_text(packet, at)
  if message ~= null then
    outcome.message = message
  end
  if band(outcome.server_status, MORE_RESULTS) ~= 0 then
    return outcome, "again"
  end
  self.state = CONNECTED
  return outcome
end


-- Name and type of a column, or nil and what failed.
local function read_column(self)
  local packet, kind, err = receive_packet(self)
  if not packet then
    return nil, err
  elseif kind == "ERR" then
    return nil, read_error(packet)
  elseif kind ~= "DATA" then
    return nil, "bad field packet type: " .. kind
  end
  local at, name = 1, nil
  -- catalogue, database, table and its real name, the column's name and its real one
  for i = 1, 6 do
    local text
    text, at = sized_text(packet, at)
    name = i == 5 and text or name
  end
  -- a filler, the character set, the length
  return { name = name, type = byte(packet, at + 7) }
end


local function read_row(packet, columns, compact)
  local count = #columns
  local row, at = compact and new_table(count, 0) or new_table(0, count), 1
  for i = 1, count do
    local column = columns[i]
    local value
    value, at = sized_text(packet, at)
    if value ~= null and NUMERIC[column.type] then
      value = tonumber(value)
    end
    row[compact and i or column.name] = value
  end
  return row
end


local function read_rows(self, columns, expected)
  local rows = new_table(expected or 4, 0)
  while true do
    local packet, kind, err = receive_packet(self)
    if not packet then
      return nil, err
    elseif kind == "ERR" then
      self.state = CONNECTED
      return nil, read_error(packet)
    -- a row may begin with a long text
    elseif kind == "EOF" and #packet < 9 then
      local status = number(packet, 4, 2)
      if band(status, MORE_RESULTS) ~= 0 then
        return rows, "again"
      end
      self.state = CONNECTED
      return rows
    end
    rows[#rows + 1] = read_row(packet, columns, self.compact)
  end
end


-- Reads one result: rows, or what a statement without rows did; with "again" where another follows. Or nil,
-- what failed, and where the server told, its number and SQL state.
function _M.read_result(self, expected)
  if self.state ~= COMMAND_SENT then
    return nil, "cannot read result in the current context: " .. (self.state or "nil")
  elseif not self.sock then
    return nil, ERR_NOT_READY
  end
  local packet, kind, err = receive_packet(self)
  if not packet then
    return nil, err
  elseif kind == "ERR" then
    self.state = CONNECTED
    return nil, read_error(packet)
  elseif kind == "OK" then
    return read_outcome(self, packet)
  elseif kind == "LOCALINFILE" then
    self.state = CONNECTED
    return nil, "packet type LOCALINFILE not supported"
  end

  local columns = {}
  for i = 1, sized_number(packet, 1) do
    local column, why, code, state = read_column(self)
    if not column then
      return nil, why, code, state
    end
    columns[i] = column
  end
  packet, kind, err = receive_packet(self)
  if not packet then
    return nil, err
  elseif kind ~= "EOF" then
    return nil, "unexpected packet type " .. kind .. " while eof packet is expected"
  end
  return read_rows(self, columns, expected)
end


function _M.query(self, query, expected)
  local sent, err = self:send_query(query)
  if not sent then
    return nil, "failed to send query: " .. err
  end
  return self:read_result(expected)
end


return _M
