-- Addresses and host names.

local native = require "kong.native"
local split = require("kong.tools.string").split

local tonumber, type = tonumber, type
local find, fmt, gsub, lower, match, rep, sub =
  string.find, string.format, string.gsub, string.lower, string.match, string.rep, string.sub

local family = native.ip_family

local _M = {}


-- Splits "address/prefix"; nil unless the prefix is a plain number up to the family's bits.
local function cidr_family(text)
  local address, prefix = match(text, "^(..+)/(%d+)$")
  local kind = address and family(address)
  if not kind or (#prefix > 1 and sub(prefix, 1, 1) == "0") then
    return nil
  end
  return tonumber(prefix) <= (kind == 4 and 32 or 128) and kind or nil
end

local function is(value, plain, cidr, wanted)
  if type(value) ~= "string" then
    return false
  end
  local kind = plain and family(value) or cidr and cidr_family(value)
  return kind ~= nil and kind ~= false and (wanted == nil or kind == wanted)
end

function _M.is_valid_ipv4(value) return is(value, true, false, 4) end
function _M.is_valid_ipv6(value) return is(value, true, false, 6) end
function _M.is_valid_ip(value) return is(value, true, false) end
function _M.is_valid_cidr_v4(value) return is(value, false, true, 4) end
function _M.is_valid_cidr_v6(value) return is(value, false, true, 6) end
function _M.is_valid_cidr(value) return is(value, false, true) end
function _M.is_valid_ip_or_cidr_v4(value) return is(value, true, true, 4) end
function _M.is_valid_ip_or_cidr_v6(value) return is(value, true, true, 6) end
function _M.is_valid_ip_or_cidr(value) return is(value, true, true) end


-- What a host is written as: "ipv4", "ipv6" or "name".
function _M.hostname_type(name)
  local rest, colons = gsub(name, ":", "")
  if colons > 1 then
    return "ipv6"
  end
  return find(rest, "^[%d.]+$") and "ipv4" or "name"
end


local function port_of(digits)
  local port = tonumber(digits)
  if port and port > 65535 then
    return nil, "invalid port number"
  end
  return port
end


-- An IPv4 address without leading zeros, and its port.
function _M.normalize_ipv4(address)
  local host, digits = match(address, "^([%d.]+):(%d+)$")
  local a, b, c, d = match(host or address, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if not a or a > 255 or b > 255 or c > 255 or d > 255 then
    return nil, "invalid ipv4 address: " .. address
  end
  local port, err = port_of(digits)
  if err then
    return nil, err
  end
  return fmt("%d.%d.%d.%d", a, b, c, d), port
end


-- The eight groups of an IPv6 address in full, in lower case; nil when it is none.
local function full_ipv6(text)
  if sub(text, 1, 1) == ":" then
    text = "0" .. text
  end
  if sub(text, -1) == ":" then
    text = text .. "0"
  end
  if find(text, "::", 1, true) then
    local _, colons = gsub(text, ":", "")
    text = gsub(text, "::", ":" .. rep("0:", 8 - colons), 1)
  end
  local groups = split(text, ":")
  if #groups ~= 8 then
    return nil
  end
  for i = 1, 8 do
    if not find(groups[i], "^%x%x?%x?%x?$") then
      return nil
    end
    groups[i] = rep("0", 4 - #groups[i]) .. groups[i]
  end
  return lower(table.concat(groups, ":"))
end

-- An IPv6 address in full, and its port where it stands in brackets.
function _M.normalize_ipv6(address)
  local inside, behind = match(address, "^%[(.*)%](.-)$")
  local port, err
  if behind and behind ~= "" then
    local digits = match(behind, "^:(%d+)$")
    if not digits then
      return nil, "invalid ipv6 address"
    end
    port, err = port_of(digits)
    if err then
      return nil, err
    end
  end
  local full = full_ipv6(inside or address)
  if not full then
    return nil, "invalid ipv6 address: " .. address
  end
  return full, port
end


-- A host name, and its port.
function _M.check_hostname(address)
  local name, digits = match(address, "^(.*):(%d+)$")
  name = name or address
  local port, err = port_of(digits)
  if err then
    return nil, err
  end
  local labels = split(name, ".")
  local valid = find(name, "^[%w._-]+$") ~= nil
  for i, label in ipairs(labels) do
    valid = valid and not find(label, "%-$") and (label ~= "" or i == #labels)
  end
  if not valid then
    return nil, "invalid hostname: " .. address
  end
  return name, port
end


local NORMALIZERS = { ipv4 = _M.normalize_ipv4, ipv6 = _M.normalize_ipv6, name = _M.check_hostname }

-- An address or name with its parts: type, host, port.
function _M.normalize_ip(address)
  local kind = _M.hostname_type(address)
  local host, port = NORMALIZERS[kind](address)
  if not host then
    return nil, port
  end
  return { type = kind, host = host, port = port }
end


-- A host and port as text, an IPv6 address in brackets. Takes a result of normalize_ip, or the two.
function _M.format_host(host, port)
  if host == nil then
    return host, port
  end
  local kind
  if type(host) == "table" then
    kind, port, host = host.type, host.port or port, host.host
  elseif type(host) ~= "string" then
    return nil, "cannot format type '" .. type(host) .. "'"
  end
  kind = kind or _M.hostname_type(host)
  if kind == "ipv6" and not find(host, "[", 1, true) then
    host = "[" .. _M.normalize_ipv6(host) .. "]"
  end
  return port and host .. ":" .. port or host
end


return _M
