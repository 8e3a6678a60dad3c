-- resty.ipmatcher: whether an address lies in one of many networks.
--
-- Networks are kept in one table for each length of prefix; a match looks into those that are used,
-- from the longest to the shortest.
local bit = require "bit"

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local concat, insert, sort = table.concat, table.insert, table.sort
local byte, find, gmatch, match, sub = string.byte, string.find, string.gmatch, string.match, string.sub
local error, ipairs, pairs, setmetatable, tonumber, type = error, ipairs, pairs, setmetatable, tonumber, type

local WORD = 32
local ERR_FORM = "invalid ip address, not ipv4 and ipv6"

local _M = { _VERSION = 0.6 }
local mt = { __index = _M }


-- An IPv4 address as a number; false for anything else.
function _M.parse_ipv4(text)
  if type(text) ~= "string" then
    return false
  end
  local a, b, c, d = match(text, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then
    return false
  end
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a > 255 or b > 255 or c > 255 or d > 255 then
    return false
  end
  return bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
end


-- Appends the 16-bit groups of one side of a `::`.
local function add_groups(groups, text)
  if text == "" then
    return true
  end
  if sub(text, -1) == ":" or sub(text, 1, 1) == ":" then
    return false
  end
  for group in gmatch(text, "[^:]+") do
    local v4 = find(group, ".", 1, true) and _M.parse_ipv4(group)
    if v4 then
      insert(groups, rshift(v4, 16))
      insert(groups, band(v4, 0xffff))
    elseif match(group, "^%x%x?%x?%x?$") then
      insert(groups, tonumber(group, 16))
    else
      return false
    end
  end
  return not find(text, "::", 1, true)
end


-- An IPv6 address as four numbers; false for anything else.
function _M.parse_ipv6(text)
  if type(text) ~= "string" then
    return false
  end
  text = match(text, "^%[(.*)%]$") or text
  if not find(text, ":", 1, true) then
    return false
  end
  local left, right = match(text, "^(.-)::(.*)$")
  local groups, rest = {}, {}
  if not add_groups(groups, left or text) or (right and not add_groups(rest, right)) then
    return false
  end
  if right then
    if #groups + #rest > 7 then
      return false
    end
    for _ = 1, 8 - #groups - #rest do
      insert(groups, 0)
    end
    for _, group in ipairs(rest) do
      insert(groups, group)
    end
  end
  if #groups ~= 8 then
    return false
  end
  local words = {}
  for i = 1, 4 do
    words[i] = bor(lshift(groups[2 * i - 1], 16), groups[2 * i])
  end
  return words
end


local function mask(word, bits)
  if bits <= 0 then
    return 0
  elseif bits >= WORD then
    return word
  end
  return band(word, lshift(-1, WORD - bits))
end

local function masked_v6(words, bits)
  return concat({
    mask(words[1], bits), mask(words[2], bits - 32), mask(words[3], bits - 64), mask(words[4], bits - 96),
  }, ":")
end


-- Networks of one family: by length of prefix, and the lengths from the longest.
local function new_family()
  return { by_bits = {}, bits = {} }
end

local function add(family, bits, network, value)
  local networks = family.by_bits[bits]
  if not networks then
    networks = {}
    family.by_bits[bits] = networks
    insert(family.bits, bits)
  end
  networks[network] = value
end

local function add_network(self, text, value)
  local address, bits = match(text, "^(.-)/(%d+)$")
  address = address or text
  local v4 = _M.parse_ipv4(address)
  if v4 then
    bits = tonumber(bits or 32)
    add(self.v4, bits, mask(v4, bits), value)
    return true
  end
  local v6 = _M.parse_ipv6(address)
  bits = tonumber(bits or 128)
  if not v6 or bits > 128 then
    return nil, "invalid ip address: " .. text
  end
  add(self.v6, bits, masked_v6(v6, bits), value)
  return true
end


local function new(values)
  local self = setmetatable({ v4 = new_family(), v6 = new_family() }, mt)
  for text, value in pairs(values) do
    local ok, err = add_network(self, text, value)
    if not ok then
      return nil, err
    end
  end
  for _, family in ipairs { self.v4, self.v6 } do
    sort(family.bits, function(a, b) return a > b end)
  end
  return self
end


function _M.new(ips)
  if type(ips) ~= "table" then
    error("missing valid ip argument", 2)
  end
  local values = {}
  for _, ip in ipairs(ips) do
    values[ip] = true
  end
  return new(values)
end


-- As `new`, of a table from networks to what `match` answers for them.
function _M.new_with_value(ips)
  if type(ips) ~= "table" then
    error("missing valid ip argument", 2)
  end
  return new(ips)
end


-- What the networks of a family say of an address; `masked` gives the part of it that names a network.
local function match(family, address, masked)
  for _, bits in ipairs(family.bits) do
    local value = family.by_bits[bits][masked(address, bits)]
    if value ~= nil then
      return value
    end
  end
  return false
end


function _M:match(ip)
  local v4 = _M.parse_ipv4(ip)
  if v4 then
    return match(self.v4, v4, mask)
  end
  local v6 = _M.parse_ipv6(ip)
  if v6 then
    return match(self.v6, v6, masked_v6)
  end
  return false, ERR_FORM
end


local function word_at(bytes, at)
  local a, b, c, d = byte(bytes, at, at + 3)
  return bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
end

-- As `match`, of an address in 4 or 16 bytes.
function _M:match_bin(bytes)
  if type(bytes) ~= "string" then
    error("missing bin_ip", 2)
  end
  if #bytes == 4 then
    return match(self.v4, word_at(bytes, 1), mask)
  elseif #bytes == 16 then
    local words = { word_at(bytes, 1), word_at(bytes, 5), word_at(bytes, 9), word_at(bytes, 13) }
    return match(self.v6, words, masked_v6)
  end
  return false, ERR_FORM
end


return _M
