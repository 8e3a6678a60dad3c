-- resty.websocket.protocol: frames of RFC 6455 on a socket.
local bit = require "bit"
local ffi = require "ffi"

local random_bytes = require("resty.random").bytes

local band, bor, bxor = bit.band, bit.bor, bit.bxor
local byte, char, sub = string.byte, string.char, string.sub
local floor = math.floor
local tostring, type = tostring, type

local CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xa
local TYPES = {
  [CONTINUATION] = "continuation", [TEXT] = "text", [BINARY] = "binary",
  [CLOSE] = "close", [PING] = "ping", [PONG] = "pong",
}
local LONGEST_CONTROL = 125
-- Bytes of a payload where no bound is given.
local MAX_PAYLOAD = 65535
local BIGGEST = 2 ^ 53

local bytes_type = ffi.typeof("uint8_t[?]")

local _M = { _VERSION = "0.13", new_tab = require "table.new" }


-- A payload with its mask put on, or taken off.
local function mask(payload, key)
  local length = #payload
  local out = ffi.new(bytes_type, length)
  local a, b, c, d = byte(key, 1, 4)
  local keys = { [0] = a, b, c, d }
  for i = 0, length - 1 do
    out[i] = bxor(byte(payload, i + 1), keys[band(i, 3)])
  end
  return ffi.string(out, length)
end


local function read_length(sock, first)
  if first < 126 then
    return first
  end
  local size = first == 126 and 2 or 8
  local data, err = sock:receive(size)
  if not data then
    return nil, "failed to receive the " .. size .. " byte payload length: " .. (err or "unknown")
  end
  if size == 8 and byte(data) >= 0x80 then
    return nil, "payload len too large"
  end
  local length = 0
  for i = 1, size do
    length = length * 256 + byte(data, i)
  end
  if length > BIGGEST then
    return nil, "payload len too large"
  end
  return length
end


local function read_close(payload)
  if #payload == 0 then
    return "", "close", nil
  end
  if #payload < 2 then
    return nil, nil, "close frame with a body must carry a 2-byte status code"
  end
  return sub(payload, 3), "close", byte(payload, 1) * 256 + byte(payload, 2)
end


-- The payload, the type and, for a close frame, its code; "again" where more of a message follows.
function _M.recv_frame(sock, max_payload_len, force_masking)
  local head, err = sock:receive(2)
  if not head then
    return nil, nil, "failed to receive the first 2 bytes: " .. err
  end
  local first, second = byte(head, 1, 2)
  local fin = band(first, 0x80) ~= 0
  if band(first, 0x70) ~= 0 then
    return nil, nil, "bad RSV1, RSV2, or RSV3 bits"
  end
  local opcode = band(first, 0x0f)
  if opcode >= 0x3 and opcode <= 0x7 then
    return nil, nil, "reserved non-control frames"
  elseif opcode >= 0xb then
    return nil, nil, "reserved control frames"
  end
  local masked = band(second, 0x80) ~= 0
  if force_masking and not masked then
    return nil, nil, "frame unmasked"
  end
  local length
  length, err = read_length(sock, band(second, 0x7f))
  if not length then
    return nil, nil, err
  end
  if opcode >= CLOSE then
    if length > LONGEST_CONTROL then
      return nil, nil, "too long payload for control frame"
    elseif not fin then
      return nil, nil, "fragmented control frame"
    end
  end
  if length > max_payload_len then
    return nil, nil, "exceeding max payload len"
  end
  local key
  if masked then
    key, err = sock:receive(4)
    if not key then
      return nil, nil, "failed to read the rest of the frame: " .. err
    end
  end
  local payload = ""
  if length > 0 then
    payload, err = sock:receive(length)
    if not payload then
      return nil, nil, "failed to read the rest of the frame: " .. err
    end
    if masked then
      payload = mask(payload, key)
    end
  end
  if opcode == CLOSE then
    return read_close(payload)
  end
  return payload, TYPES[opcode], not fin and "again" or nil
end


local function length_bytes(length, flag)
  if length < 126 then
    return char(bor(flag, length))
  elseif length <= 0xffff then
    return char(bor(flag, 126), floor(length / 256), length % 256)
  end
  local out = ""
  for _ = 1, 8 do
    out = char(length % 256) .. out
    length = floor(length / 256)
  end
  return char(bor(flag, 127)) .. out
end


function _M.build_frame(fin, opcode, payload_len, payload, masking)
  if payload_len >= BIGGEST then
    return nil, "payload too big"
  end
  local head = char(bor(fin and 0x80 or 0, opcode)) .. length_bytes(payload_len, masking and 0x80 or 0)
  if not masking then
    return head .. payload
  end
  local key = random_bytes(4)
  return head .. key .. mask(payload, key)
end


function _M.send_frame(sock, fin, opcode, payload, max_payload_len, masking)
  payload = payload or ""
  if type(payload) ~= "string" then
    payload = tostring(payload)
  end
  local length = #payload
  if length > max_payload_len then
    return nil, "payload too big"
  end
  if band(opcode, 0x8) ~= 0 then
    if length > LONGEST_CONTROL then
      return nil, "too much payload for control frame"
    elseif not fin then
      return nil, "fragmented control frame"
    end
  end
  local frame, err = _M.build_frame(fin, opcode, length, payload, masking)
  if not frame then
    return nil, "failed to build frame: " .. err
  end
  local sent
  sent, err = sock:send(frame)
  if not sent then
    return nil, "failed to send frame: " .. err
  end
  return sent
end


-- An end of a WebSocket on a socket, with the bounds that options set.
function _M.over(sock, opts)
  if opts.timeout then
    sock:settimeout(opts.timeout)
  end
  local max = opts.max_payload_len or MAX_PAYLOAD
  return {
    sock = sock,
    max_recv_len = opts.max_recv_len or max,
    max_send_len = opts.max_send_len or max,
  }
end


-- Adds the methods that client and server share. `masks(self)` says whether frames are masked.
function _M.install(methods, masks, expects_mask)
  function methods:set_timeout(time)
    if not self.sock then
      return nil, "not initialized yet"
    end
    return self.sock:settimeout(time)
  end

  function methods:recv_frame()
    if self.fatal then
      return nil, nil, "fatal error already happened"
    end
    if not self.sock then
      return nil, nil, "not initialized yet"
    end
    local data, kind, err = _M.recv_frame(self.sock, self.max_recv_len, expects_mask)
    if not data and not (err and err:find(": timeout", 1, true)) then
      self.fatal = true
    end
    return data, kind, err
  end

  function methods:send_frame(fin, opcode, payload)
    if self.fatal then
      return nil, "fatal error already happened"
    end
    if not self.sock then
      return nil, "not initialized yet"
    end
    local sent, err = _M.send_frame(self.sock, fin, opcode, payload, self.max_send_len, masks(self))
    if not sent then
      self.fatal = true
    end
    return sent, err
  end

  function methods:send_text(data)
    return self:send_frame(true, TEXT, data)
  end

  function methods:send_binary(data)
    return self:send_frame(true, BINARY, data)
  end

  function methods:send_ping(data)
    return self:send_frame(true, PING, data)
  end

  function methods:send_pong(data)
    return self:send_frame(true, PONG, data)
  end

  function methods:send_close(code, message)
    local payload
    if code then
      if type(code) ~= "number" or code > 0x7fff then
        return nil, "bad status code"
      end
      payload = char(floor(code / 256) % 256, code % 256) .. (message or "")
    end
    self.closed = true
    return self:send_frame(true, CLOSE, payload)
  end
end


return _M
