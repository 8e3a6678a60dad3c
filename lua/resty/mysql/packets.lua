-- Packets between a client and a MySQL server: a length, a number, a body.

local bytes = require "resty.mysql.bytes"

local byte, char, sub = string.byte, string.char, string.sub
local from_number, number = bytes.from_number, bytes.number

-- The kind of a packet, by its first byte.
local KINDS = { [0] = "OK", "AUTHMOREDATA", [0xfb] = "LOCALINFILE", [0xfe] = "EOF", [0xff] = "ERR" }

local _M = {}


function _M.send(self, body)
  self.packet_no = (self.packet_no or 0) + 1
  return self.sock:send(from_number(#body, 3) .. char(self.packet_no % 256) .. body)
end


-- A packet and its kind, or nil, nil and why there is none.
function _M.receive(self)
  local head, err = self.sock:receive(4)
  if not head then
    return nil, nil, "failed to receive packet header: " .. err
  end
  local length, at = number(head, 1, 3)
  if length == 0 then
    return nil, nil, "empty packet"
  elseif length > self._max_packet_size then
    return nil, nil, "packet size too big: " .. length
  end
  self.packet_no = byte(head, at)

  local body
  body, err = self.sock:receive(length)
  if not body then
    return nil, nil, "failed to read packet content: " .. err
  end
  return body, KINDS[byte(body, 1)] or "DATA"
end


-- Message, number and SQL state of an error.
function _M.read_error(packet)
  local code, at = number(packet, 2, 2)
  if sub(packet, at, at) == "#" then
    return sub(packet, at + 6), code, sub(packet, at + 1, at + 5)
  end
  return sub(packet, at), code
end


return _M
