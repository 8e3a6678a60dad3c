-- resty.dns.resolver: asks name servers over UDP, and over TCP where an answer was cut off.
local tcp, udp = ngx.socket.tcp, ngx.socket.udp
local bit = require "bit"
local band, lshift, rshift = bit.band, bit.lshift, bit.rshift
local byte, char, find = string.byte, string.char, string.find
local format, gmatch, sub = string.format, string.gmatch, string.sub
local concat, insert = table.concat, table.insert
local random = math.random
local ipairs, setmetatable, tonumber, type = ipairs, setmetatable, tonumber, type

local TYPES = {
  A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, SPF = 99,
}
local ERRORS = { "format error", "server failure", "name error", "not implemented", "refused" }

local _M = {
  _VERSION = "0.23",
  CLASS_IN = 1,
  SECTION_AN = 1,
  SECTION_NS = 2,
  SECTION_AR = 3,
}
for name, number in pairs(TYPES) do
  _M["TYPE_" .. name] = number
end
local mt = { __index = _M }

function _M:new(options)
  local servers = options and options.nameservers
  if not options then
    return nil, "no options table specified"
  end
  if not servers or #servers == 0 then
    return nil, "no nameservers specified"
  end
  local list = {}
  for i, server in ipairs(servers) do
    list[i] = type(server) == "table" and { server[1], server[2] or 53 } or { server, 53 }
  end
  return setmetatable({
    servers = list,
    current = options.no_random and 1 or random(#list),
    retrans = options.retrans or 5,
    timeout = options.timeout or 2000,
    recursion = not options.no_recurse,
  }, mt)
end

function _M:set_timeout(timeout)
  self.timeout = timeout
end

local function sixteen(number)
  return char(rshift(number, 8), band(number, 0xff))
end

local function request_of(id, name, recursion, kind)
  local labels = {}
  for label in gmatch(name, "[^.]+") do
    if #label > 63 then
      return nil, "bad name"
    end
    labels[#labels + 1] = char(#label) .. label
  end
  local flags = recursion and 0x0100 or 0
  local header = sixteen(id) .. sixteen(flags) .. "\0\1\0\0\0\0\0\0"
  return header .. concat(labels) .. "\0" .. sixteen(kind) .. "\0\1"
end

local function number_at(packet, at, bytes)
  local number = 0
  for i = at, at + bytes - 1 do
    local value = byte(packet, i)
    if not value then
      return nil
    end
    number = number * 256 + value
  end
  return number
end

-- The name at a position and the position after it. Follows pointers, a bounded number of them.
local function name_at(packet, at)
  local labels, after, jumps = {}, nil, 0
  while true do
    local length = byte(packet, at)
    if not length then
      return nil, "truncated"
    end
    if length == 0 then
      return concat(labels, "."), after or at + 1
    end
    if band(length, 0xc0) == 0xc0 then
      local low = byte(packet, at + 1)
      jumps = jumps + 1
      if not low or jumps > 128 then
        return nil, "bad pointer"
      end
      after = after or at + 2
      at = lshift(band(length, 0x3f), 8) + low + 1
    else
      labels[#labels + 1] = sub(packet, at + 1, at + length)
      at = at + length + 1
    end
  end
end

local function ipv6_at(packet, at)
  local groups = {}
  for i = 0, 7 do
    groups[i + 1] = format("%x", number_at(packet, at + i * 2, 2))
  end
  return concat(groups, ":")
end

local function text_at(packet, at, length)
  local texts, last = {}, at + length
  while at < last do
    local size = byte(packet, at)
    texts[#texts + 1] = sub(packet, at + 1, at + size)
    at = at + size + 1
  end
  return #texts == 1 and texts[1] or texts
end

-- What the data of each type adds to an answer.
local READERS = {
  [TYPES.A] = function(answer, packet, at)
    local a, b, c, d = byte(packet, at, at + 3)
    answer.address = format("%d.%d.%d.%d", a, b, c, d)
  end,
  [TYPES.AAAA] = function(answer, packet, at)
    answer.address = ipv6_at(packet, at)
  end,
  [TYPES.CNAME] = function(answer, packet, at)
    answer.cname = name_at(packet, at)
  end,
  [TYPES.NS] = function(answer, packet, at)
    answer.nsdname = name_at(packet, at)
  end,
  [TYPES.PTR] = function(answer, packet, at)
    answer.ptrdname = name_at(packet, at)
  end,
  [TYPES.MX] = function(answer, packet, at)
    answer.preference, answer.exchange = number_at(packet, at, 2), (name_at(packet, at + 2))
  end,
  [TYPES.SRV] = function(answer, packet, at)
    answer.priority, answer.weight = number_at(packet, at, 2), number_at(packet, at + 2, 2)
    answer.port, answer.target = number_at(packet, at + 4, 2), (name_at(packet, at + 6))
  end,
  [TYPES.TXT] = function(answer, packet, at, length)
    answer.txt = text_at(packet, at, length)
  end,
  [TYPES.SPF] = function(answer, packet, at, length)
    answer.spf = text_at(packet, at, length)
  end,
  [TYPES.SOA] = function(answer, packet, at)
    answer.mname, at = name_at(packet, at)
    answer.rname, at = name_at(packet, at)
    for i, field in ipairs { "serial", "refresh", "retry", "expire", "minimum" } do
      answer[field] = number_at(packet, at + (i - 1) * 4, 4)
    end
  end,
}

local function record_at(packet, at, section)
  local name
  name, at = name_at(packet, at)
  if not name or #packet < at + 9 then
    return nil, "truncated"
  end
  local kind, length = number_at(packet, at, 2), number_at(packet, at + 8, 2)
  if #packet < at + 9 + length then
    return nil, "truncated"
  end
  local class, ttl = number_at(packet, at + 2, 2), number_at(packet, at + 4, 4)
  local answer = { section = section, name = name, type = kind, class = class, ttl = ttl }
  local reader = READERS[kind]
  if reader then
    reader(answer, packet, at + 10, length)
  else
    answer.rdata = sub(packet, at + 10, at + 9 + length)
  end
  return answer, at + 10 + length
end

-- The answers in a packet; a table with errcode and errstr where the server refuses.
local function parse(packet, id, options)
  if #packet < 12 then
    return nil, "truncated"
  end
  if number_at(packet, 1, 2) ~= id then
    return nil, "id mismatch"
  end
  local flags = number_at(packet, 3, 2)
  if band(flags, 0x8000) == 0 then
    return nil, "bad QR flag in the DNS response"
  end
  if band(flags, 0x0200) ~= 0 then
    return nil, "truncated"
  end

  local answers = {}
  local code = band(flags, 0x0f)
  if code ~= 0 then
    answers.errcode, answers.errstr = code, ERRORS[code] or "unknown"
  end

  local at = 13
  for _ = 1, number_at(packet, 5, 2) do
    local name
    name, at = name_at(packet, at)
    if not name then
      return nil, at
    end
    at = at + 4
  end

  local wanted = { true, options.authority_section, options.additional_section }
  for section = 1, 3 do
    for _ = 1, wanted[section] and number_at(packet, 5 + section * 2, 2) or 0 do
      local answer
      answer, at = record_at(packet, at, section)
      if not answer then
        return nil, at
      end
      insert(answers, answer)
    end
    if not wanted[section + 1] then
      break
    end
  end
  return answers
end

local function ask_tcp(self, server, request)
  local sock = tcp()
  sock:settimeout(self.timeout)
  local ok, err = sock:connect(server[1], server[2])
  if not ok then
    return nil, "failed to connect to TCP server " .. server[1] .. ":" .. server[2] .. ": " .. err
  end
  local sent
  sent, err = sock:send(sixteen(#request) .. request)
  if not sent then
    return nil, err
  end
  local head
  head, err = sock:receive(2)
  if not head then
    return nil, err
  end
  local packet
  packet, err = sock:receive(number_at(head, 1, 2))
  sock:close()
  return packet, err
end

local function ask_udp(self, server, request, id, options)
  local sock = udp()
  sock:settimeout(self.timeout)
  local ok, err = sock:setpeername(server[1], server[2])
  if not ok then
    return nil, err
  end
  ok, err = sock:send(request)
  if not ok then
    return nil, err
  end
  -- Answers to earlier requests are passed over.
  for _ = 1, 128 do
    local packet
    packet, err = sock:receive(4096)
    if not packet then
      return nil, err
    end
    local answers
    answers, err = parse(packet, id, options)
    if answers or err ~= "id mismatch" then
      return answers, err
    end
  end
  return nil, "id mismatch"
end

local function next_server(self)
  local server = self.servers[self.current]
  self.current = self.current % #self.servers + 1
  return server
end

local function query(self, name, options, only_tcp, tries)
  options = options or {}
  if #name > 255 or find(name, "^%.") then
    return nil, "bad name"
  end
  local id = random(0, 0xffff)
  local request, bad = request_of(id, name, self.recursion, tonumber(options.qtype) or TYPES.A)
  if not request then
    return nil, bad
  end

  local err
  for _ = 1, self.retrans do
    local server = next_server(self)
    local answers, packet
    if not only_tcp then
      answers, err = ask_udp(self, server, request, id, options)
    end
    if only_tcp or err == "truncated" then
      packet, err = ask_tcp(self, server, request)
      if packet then
        answers, err = parse(packet, id, options)
      end
    end
    if answers and answers.errcode ~= 2 then
      return answers, nil, tries
    end
    if answers then
      err = "server failure"
    end
    if tries then
      insert(tries, server[1] .. ":" .. server[2] .. " " .. (err or ""))
    end
  end
  return nil, err, tries
end

function _M:query(name, options, tries)
  return query(self, name, options, false, tries)
end

function _M:tcp_query(name, options)
  return query(self, name, options, true)
end

-- "1.2.3.4" as "4.3.2.1.in-addr.arpa"
-- The groups of an IPv6 address, those that `::` stands for written out.
local function groups_of(address)
  local head, tail = address:match("^(.-)::(.*)$")
  local groups, rest = {}, {}
  for group in gmatch(head or address, "%x+") do
    insert(groups, group)
  end
  for group in gmatch(tail or "", "%x+") do
    insert(rest, group)
  end
  while #groups + #rest < 8 do
    insert(groups, "0")
  end
  for _, group in ipairs(rest) do
    insert(groups, group)
  end
  return groups
end


-- An IPv6 address with all its groups.
function _M.expand_ipv6_addr(address)
  return find(address, "::", 1, true) and concat(groups_of(address), ":") or address
end


-- An IPv6 address with `::` for its longest row of zeros.
function _M.compress_ipv6_addr(address)
  local groups = groups_of(address)
  local best, length, i = nil, 1, 1
  while i <= 8 do
    local last = i
    while groups[last] and groups[last]:match("^0+$") do
      last = last + 1
    end
    if last - i > length then
      best, length = i, last - i
    end
    i = last > i and last or i + 1
  end
  if not best then
    return address
  end
  return concat(groups, ":", 1, best - 1) .. "::" .. concat(groups, ":", best + length)
end


function _M.arpa_str(address)
  local a, b, c, d = address:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then
    return concat({ d, c, b, a, "in-addr.arpa" }, ".")
  end
  local groups = groups_of(address)
  local digits = {}
  for _, group in ipairs(groups) do
    for digit in gmatch(format("%04x", tonumber(group, 16)), ".") do
      insert(digits, 1, digit)
    end
  end
  return concat(digits, ".") .. ".ip6.arpa"
end

function _M:reverse_query(address)
  return self:query(self.arpa_str(address), { qtype = TYPES.PTR })
end

return _M
