-- A name server with the records of a spec. It runs in a thread of its own.

local bit = require "bit"
local cjson = require "cjson"
local socket = require "socket"

local band, rshift = bit.band, bit.rshift
local byte, char, concat, gmatch, lower, sub =
  string.byte, string.char, table.concat, string.gmatch, string.lower, string.sub
local ipairs, tonumber, unpack = ipairs, tonumber, unpack

local NAME_ERROR = 3
local A, CNAME, AAAA, SRV = 1, 5, 28, 33

local name_server = {}


local function u16(number)
  return char(rshift(band(number, 0xffff), 8), band(number, 0xff))
end


local function u32(number)
  return u16(rshift(number, 16)) .. u16(band(number, 0xffff))
end


local function labels(name)
  local parts = {}
  for label in gmatch(name, "[^.]+") do
    parts[#parts + 1] = char(#label) .. label
  end
  return concat(parts) .. "\0"
end


local function ipv6(address)
  local groups, at, gap = {}, 0, nil
  address = address:gsub("[%[%]]", ""):gsub("::", ":x:")
  for group in gmatch(address, "[^:]+") do
    at = at + 1
    groups[at] = group
    gap = group == "x" and at or gap
  end
  local bytes = {}
  for i, group in ipairs(groups) do
    if i == gap then
      for _ = 1, 9 - #groups do
        bytes[#bytes + 1] = "\0\0"
      end
    else
      bytes[#bytes + 1] = u16(tonumber(group, 16))
    end
  end
  return concat(bytes)
end


local function data_of(record)
  if record.type == A then
    local parts = {}
    for part in gmatch(record.address, "%d+") do
      parts[#parts + 1] = tonumber(part)
    end
    return char(unpack(parts))
  elseif record.type == AAAA then
    return ipv6(record.address)
  elseif record.type == CNAME then
    return labels(record.cname)
  end
  return u16(record.priority) .. u16(record.weight) .. u16(record.port) .. labels(record.target)
end


local function question(message)
  local parts, at = {}, 13
  while byte(message, at) and byte(message, at) > 0 do
    local length = byte(message, at)
    parts[#parts + 1] = sub(message, at + 1, at + length)
    at = at + length + 1
  end
  local high, low = byte(message, at + 1, at + 2)
  return lower(concat(parts, ".")), (high or 0) * 256 + (low or 0), sub(message, 13, at + 4)
end


-- The records of a name and a type; an alias stands for all types.
local function find(records, name, kind)
  for _, of_kind in ipairs { kind, CNAME } do
    local found = records[of_kind] and records[of_kind][name]
    if found and found[1] then
      return found
    end
  end
  return {}
end


local function knows(records, name)
  for _, kind in ipairs { A, AAAA, CNAME, SRV } do
    if records[kind] and records[kind][name] then
      return true
    end
  end
  return false
end


local function answer(records, message)
  local name, kind, asked = question(message)
  local found = find(records, name, kind)
  local parts = {}
  for i, record in ipairs(found) do
    local data = data_of(record)
    parts[i] = labels(record.name) .. u16(record.type) .. u16(1) .. u32(record.ttl) .. u16(#data) .. data
  end
  local code = knows(records, name) and 0 or NAME_ERROR
  local flags = char(0x85, 0x80 + code)
  return sub(message, 1, 2) .. flags .. u16(1) .. u16(#found) .. u16(0) .. u16(0) .. asked .. concat(parts)
end


-- The name server of the system, for names that the spec does not know.
local function system_server()
  local file = io.open("/etc/resolv.conf")
  local address
  for line in file and file:lines() or function() end do
    address = address or line:match("^nameserver%s+(%d+%.%d+%.%d+%.%d+)")
  end
  if file then
    file:close()
  end
  return address
end


local function forward(message)
  local address = system_server()
  if not address then
    return nil
  end
  local client = socket.udp()
  client:settimeout(2)
  client:sendto(message, address, 53)
  local response = client:receive()
  client:close()
  return response
end


-- Answers questions until it is told to end.
function name_server.serve(port, document)
  local mock = cjson.decode(document)
  local server = assert(socket.udp())
  assert(server:setsockname("127.0.0.1", port))
  while true do
    local message, address, from = server:receivefrom()
    if message == "@DIE@" then
      break
    elseif message and #message > 12 then
      local response
      if not mock.mocks_only and not knows(mock.records, (question(message))) then
        response = forward(message)
      end
      server:sendto(response or answer(mock.records, message), address, from)
    end
  end
  server:close()
end


return name_server
