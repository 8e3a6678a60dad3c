-- The operations of LDAP (RFC 4511) that tell whether a password is right.

local asn1 = require "kong.plugins.ldap-auth.asn1"

local byte, fmt = string.byte, string.format
local encode, put_object = asn1.encode, asn1.put_object

local CLASS, TAG = asn1.CLASS, asn1.TAG
local BIND_REQUEST, BIND_RESPONSE, EXTENDED_REQUEST, EXTENDED_RESPONSE = 0, 1, 23, 24
local LDAP_VERSION = 3
-- RFC 4511, 4.14.1
local START_TLS = "1.3.6.1.4.1.1466.20037"

local MEANINGS = {
  [1] = "Initialization of LDAP library failed.", [4] = "Size limit exceeded.",
  [13] = "Confidentiality required", [32] = "No such object", [34] = "Invalid DN",
  [49] = "The supplied credential is invalid.",
}

local last_id = 0

local _M = {}


local function send(socket, operation, content)
  last_id = last_id % 0x7fffffff + 1
  local message = encode(last_id) .. put_object(operation, CLASS.APPLICATION, 1, content)
  return socket:send(encode(message, TAG.SEQUENCE))
end


-- The content of the message that comes next.
local function receive(socket)
  local head, err = socket:receive(2)
  if not head then
    return nil, err
  end
  local length = byte(head, 2)
  if length >= 0x80 then
    local bytes
    bytes, err = socket:receive(length - 0x80)
    if not bytes then
      return nil, err
    end
    length = 0
    for i = 1, #bytes do
      length = length * 256 + byte(bytes, i)
    end
  end
  return socket:receive(length)
end


-- Whether an operation succeeded; false and what is wrong if not.
local function run(socket, request, content, response)
  local ok, err = send(socket, request, content)
  local message
  if ok then
    message, err = receive(socket)
  end
  if not message then
    return false, err
  end
  local result
  result, err = asn1.parse_ldap_result(message)
  if not result then
    return false, "Invalid LDAP message encoding: " .. err
  elseif result.protocol_op ~= response then
    return false, fmt("Received incorrect Op in packet: %d, expected %d", result.protocol_op, response)
  elseif result.result_code ~= 0 then
    local code = result.result_code
    local meaning = MEANINGS[code] or "Unknown error occurred (code: " .. code .. ")"
    return false, fmt("\n  Error: %s\n  Details: %s", meaning, result.diagnostic_msg)
  end
  return true
end


-- Whether a name has a password.
function _M.bind_request(socket, name, password)
  local content = encode(LDAP_VERSION) .. encode(name) .. put_object(0, CLASS.CONTEXT_SPECIFIC, 0, password)
  return run(socket, BIND_REQUEST, content, BIND_RESPONSE)
end


-- Whether the server goes over to TLS on this connection.
function _M.start_tls(socket)
  local content = put_object(0, CLASS.CONTEXT_SPECIFIC, 0, START_TLS)
  return run(socket, EXTENDED_REQUEST, content, EXTENDED_RESPONSE)
end


return _M
