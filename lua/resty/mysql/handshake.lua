-- How a connection to a MySQL server begins: greeting, TLS, proof of the password.

local auth = require "resty.mysql.auth"
local bytes = require "resty.mysql.bytes"
local packets = require "resty.mysql.packets"

local band, bor = bit.band, bit.bor
local byte, char, rep, sub = string.byte, string.char, string.rep, string.sub
local cstring, from_number, number = bytes.cstring, bytes.from_number, bytes.number
local read_error, receive_packet, send_packet = packets.read_error, packets.receive, packets.send

-- What this client can do: among others the protocol of 4.1, several statements and results, transactions,
-- and methods that prove passwords.
local CAPABILITIES = 0xBF7CF
local CLIENT_SSL, CLIENT_PLUGIN_AUTH, CLIENT_LONG_ANSWERS = 0x800, 0x80000, 0x200000
local OLDEST_PROTOCOL = 10

local _M = {}


-- The scramble of the server, and the method it proposes; or nil, nil and what failed.
local function read_greeting(self)
  local packet, kind, err = receive_packet(self)
  if not packet then
    return nil, nil, err
  elseif kind == "ERR" then
    return nil, nil, read_error(packet)
  end

  local version = byte(packet, 1)
  if version < OLDEST_PROTOCOL then
    return nil, nil, "unsupported protocol version " .. version .. ", version " .. OLDEST_PROTOCOL
                     .. " or higher is required"
  end
  self.protocol_ver = version

  local server, at = cstring(packet, 2)
  if not server then
    return nil, nil, "bad handshake initialization packet: bad server version"
  end
  self._server_ver = server

  -- number of the thread, first part of the scramble, a zero
  local scramble = sub(packet, at + 4, at + 11)
  local low, high
  low, at = number(packet, at + 13, 2)
  self._server_lang = byte(packet, at)
  self._server_status, at = number(packet, at + 1, 2)
  high, at = number(packet, at, 2)
  self.capabilities = low + high * 65536

  -- length of the scramble, 10 reserved bytes, its second part, a zero
  scramble = scramble .. sub(packet, at + 11, at + 22)
  at = at + 24
  if band(self.capabilities, CLIENT_PLUGIN_AUTH) == 0 then
    return scramble, "mysql_native_password"
  end
  return scramble, cstring(packet, at) or sub(packet, at)
end


local function secure(self, preface)
  if band(self.capabilities, CLIENT_SSL) == 0 then
    return "ssl disabled on server"
  end
  local sent, err = send_packet(self, from_number(bor(CAPABILITIES, CLIENT_SSL), 4) .. preface)
  if not sent then
    return "failed to send client authentication packet: " .. err
  end
  local ok
  ok, err = self.sock:sslhandshake(false, nil, self.ssl_verify)
  if not ok then
    return "failed to do ssl handshake: " .. (err or "")
  end
end


-- Says who is there. Answers what failed.
local function introduce(self, proof, method)
  local preface = from_number(self._max_packet_size, 4) .. char(self.charset) .. rep("\0", 23)
  local err = self.use_ssl and secure(self, preface)
  if err then
    return err
  end
  local capabilities = #proof > 250 and bor(CAPABILITIES, CLIENT_LONG_ANSWERS) or CAPABILITIES
  local sent
  sent, err = send_packet(self, from_number(capabilities, 4) .. preface .. self.user .. "\0"
                          .. bytes.from_sized_text(proof) .. self.database .. "\0" .. method .. "\0")
  if not sent then
    return "failed to send client authentication packet: " .. err
  end
end


-- ---- proving the password -------------------------------------------------------------------

-- What the server says: "ok"; or "more" and data; or "switch", a scramble and a method; or nil and what
-- failed.
local function read_verdict(self)
  local packet, kind, err = receive_packet(self)
  if not packet then
    return nil, "failed to receive the result packet: " .. err
  elseif kind == "OK" then
    return "ok"
  elseif kind == "AUTHMOREDATA" then
    return "more", sub(packet, 2)
  elseif kind == "ERR" then
    return nil, read_error(packet)
  elseif kind ~= "EOF" then
    return nil, "bad packet type: " .. kind
  elseif #packet == 1 then
    return "switch", nil, "mysql_old_password"
  end
  local method, at = cstring(packet, 2)
  if not method then
    return nil, "malformed packet"
  end
  return "switch", sub(packet, at), method
end


-- What must come now is a plain yes. Answers what failed.
local function expect_ok(self)
  local verdict, err, code, state = read_verdict(self)
  if not verdict then
    return err, code, state
  elseif verdict ~= "ok" then
    return "bad packet type: " .. (verdict == "more" and "AUTHMOREDATA" or "EOF")
  end
end


-- Sends the password so that only the server reads it. Answers what failed.
local function send_encrypted(self, scramble, public_key)
  local text, err = auth.encrypted(self.password, scramble, public_key)
  if not text then
    return err
  end
  local sent
  sent, err = send_packet(self, text)
  if not sent then
    return "failed to send encode password packet: " .. err
  end
  self.public_key = public_key
  return expect_ok(self)
end


-- The server does not know the password from before. Answers what failed.
local function send_whole_password(self, scramble)
  if self.is_unix or self.use_ssl then
    local sent, err = send_packet(self, self.password .. "\0")
    if not sent then
      return "failed to send cleartext auth packet: " .. err
    end
    return expect_ok(self)
  elseif self.public_key then
    return send_encrypted(self, scramble, self.public_key)
  end
  local sent, err = send_packet(self, "\2")
  if not sent then
    return "failed to send password request packet: " .. err
  end
  local packet, _, why = receive_packet(self)
  if not packet then
    return "failed to receive the result packet: " .. why
  end
  return send_encrypted(self, scramble, sub(packet, 2))
end


-- Answers data that the server sends in the middle of a method. Answers what failed.
local function go_on(self, method, scramble, data)
  if method == "sha256_password" then
    return send_encrypted(self, scramble, data)
  elseif method ~= "caching_sha2_password" then
    return "malformed packet"
  elseif data == "\3" then
    return expect_ok(self)
  elseif data == "\4" then
    return send_whole_password(self, scramble)
  end
  return "malformed packet"
end


-- Answers what failed, and its number and SQL state.
local function log_in(self, scramble, method)
  local verdict, data, other, state = read_verdict(self)
  if verdict == "switch" then
    scramble, method = data or scramble, other
    local proof, err = auth.answer(method, self.password, scramble, self.is_unix or self.use_ssl,
                                   self.public_key)
    if not proof then
      return err
    end
    local sent
    sent, err = send_packet(self, proof)
    if not sent then
      return "failed to send client authentication packet: " .. err
    end
    verdict, data, other, state = read_verdict(self)
  end
  if not verdict then
    return data, other, state
  elseif verdict == "switch" then
    return "malformed packet"
  elseif verdict == "more" then
    return go_on(self, method, scramble, data)
  end
end


-- Runs it over a connection that was just made. Answers what failed, and where the server refused, its number
-- and SQL state.
function _M.run(self)
  local scramble, method, refused, code, state = read_greeting(self)
  if not scramble then
    return refused, code, state
  end
  local proof, err = auth.answer(method, self.password, scramble, self.is_unix or self.use_ssl,
                                 self.public_key)
  if not proof then
    return err
  end
  err = introduce(self, proof, method)
  if err then
    return err
  end
  return log_in(self, scramble, method)
end


return _M
