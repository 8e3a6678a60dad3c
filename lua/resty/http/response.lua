-- Reading a response: its head, and its body piece by piece.
local headers_of = require("resty.http_headers").new
local send_body = require("resty.http.request")._send_body

local concat, insert = table.concat, table.insert
local find, lower, match, sub, upper = string.find, string.lower, string.match, string.sub, string.upper
local setmetatable, tonumber, type = setmetatable, tonumber, type
local wrap, yield = coroutine.wrap, coroutine.yield

local PIECE = 65536

local _M = {}

local function receive_status(sock)
  local line, err = sock:receive("*l")
  if not line then
    return nil, nil, nil, err
  end
  local version = tonumber(sub(line, 6, 8))
  local status = tonumber(sub(line, 10, 12))
  if not version or not status or sub(line, 1, 5) ~= "HTTP/" then
    return nil, nil, nil, "couldn't parse HTTP version and status: " .. line
  end
  return status, version, sub(line, 14)
end

local function receive_fields(sock)
  local fields = headers_of()
  while true do
    local line, err = sock:receive("*l")
    if not line then
      return nil, err
    end
    if line == "" then
      return fields
    end
    local name, value = match(line, "^([^:%s]+):%s*(.-)%s*$")
    if name then
      local before = fields[name]
      if before == nil then
        fields[name] = value
      elseif type(before) == "table" then
        insert(before, value)
      else
        fields[name] = { before, value }
      end
    end
  end
end

local function has_body(method, status)
  return method ~= "HEAD" and status ~= 204 and status ~= 304 and status >= 200
end

-- Readers are coroutines: each call answers a piece, nil at the end, or nil and an error.

local function length_reader(sock, length, default)
  return wrap(function(size)
    local left = length
    while left > 0 do
      local wanted = size or default or left
      local piece, err, partial = sock:receive(wanted < left and wanted or left)
      if not piece then
        yield(nil, err, partial)
        return
      end
      left = left - #piece
      size = yield(piece)
    end
    yield(nil)
  end)
end

local function rest_reader(sock, default)
  return wrap(function(size)
    while true do
      local piece, err = sock:receiveany(size or default or PIECE)
      if not piece then
        yield(nil, err ~= "closed" and err or nil)
        return
      end
      size = yield(piece)
    end
  end)
end

local function chunk_reader(sock, default)
  return wrap(function(size)
    while true do
      local line, err = sock:receive("*l")
      if not line then
        yield(nil, err)
        return
      end
      local left = tonumber(match(line, "^%x+"), 16)
      if not left then
        yield(nil, "unable to read chunksize")
        return
      end
      if left == 0 then
        break
      end
      while left > 0 do
        local wanted = size or default or left
        local piece
        piece, err = sock:receive(wanted < left and wanted or left)
        if not piece then
          yield(nil, err)
          return
        end
        left = left - #piece
        size = yield(piece)
      end
      local _, end_err = sock:receive(2)
      if end_err then
        yield(nil, end_err)
        return
      end
    end
    yield(nil)
  end)
end

local function no_body()
  return nil
end

local function is_chunked(fields)
  local encoding = fields["Transfer-Encoding"]
  if type(encoding) == "table" then
    encoding = encoding[#encoding]
  end
  return encoding and lower(encoding) == "chunked"
end

-- Whether the body comes in chunks; public, as in the library.
function _M.transfer_encoding_is_chunked(fields)
  return is_chunked(fields) and true or false
end

local function body_reader(sock, fields, version, default)
  if version ~= 1.0 and is_chunked(fields) then
    return chunk_reader(sock, default), true
  end
  local length = fields["Content-Length"]
  length = tonumber(type(length) == "table" and length[1] or length)
  if length then
    return length_reader(sock, length, default)
  end
  return rest_reader(sock, default), false, true
end

local function read_body(res)
  if not res.has_body then
    return ""
  end
  local pieces, count = {}, 0
  while true do
    local piece, err = res.body_reader()
    if err then
      return nil, err, concat(pieces)
    end
    if not piece then
      return concat(pieces)
    end
    count = count + 1
    pieces[count] = piece
  end
end

local function read_trailers(res)
  local trailers, err = receive_fields(res._sock)
  if not trailers then
    return nil, err
  end
  setmetatable(res.headers, { __index = trailers })
  return trailers
end

local function keeps_alive(fields, version)
  local connection = fields["Connection"]
  if type(connection) == "table" then
    connection = concat(connection, ",")
  end
  connection = connection and lower(connection) or ""
  if find(connection, "close", 1, true) then
    return false
  end
  return version ~= 1.0 or find(connection, "keep%-alive") ~= nil
end

function _M:read_response(params)
  local sock = self.sock
  local status, version, reason, err
  repeat
    status, version, reason, err = receive_status(sock)
    if not status then
      return nil, err
    end
    if status == 100 then
      local _, skipped = receive_fields(sock)
      if skipped then
        return nil, skipped
      end
      local sent
      sent, err = send_body(sock, self.pending_body)
      self.pending_body = nil
      if not sent then
        return nil, err
      end
    end
  until status ~= 100

  local fields
  fields, err = receive_fields(sock)
  if not fields then
    return nil, err
  end
  self.keepalive = keeps_alive(fields, version)

  local res = {
    status = status,
    reason = reason,
    headers = fields,
    has_body = has_body(upper(params.method or "GET"), status),
    body_reader = no_body,
    read_body = read_body,
    _sock = sock,
  }
  local chunked, to_end
  if res.has_body then
    res.body_reader, chunked, to_end = body_reader(sock, fields, version)
    if to_end then
      self.keepalive = false
    end
  end
  if fields["Trailer"] then
    res.read_trailers = read_trailers
  elseif chunked then
    -- What ends a chunked body is read with it.
    local reader = res.body_reader
    local ended = false
    res.body_reader = function(size)
      if ended then
        return nil
      end
      local piece, reader_err = reader(size)
      if not piece then
        ended = true
        if not reader_err then
          local _, trailer_err = receive_fields(sock)
          reader_err = trailer_err
        end
      end
      return piece, reader_err
    end
  end
  return res
end

return _M
