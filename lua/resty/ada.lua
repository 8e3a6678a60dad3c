-- resty.ada: URLs as browsers read them, whole or in parts.

local native = require "resty.ada.native"
local number_to_string = require("resty.ada.utils").number_to_string
local search = require "resty.ada.search"

local assert, pairs, setmetatable, type = assert, pairs, setmetatable, type

local read, write = native.get, native.set

-- What can be read, and what can be set.
local READ = { "href", "protocol", "scheme_type", "origin", "username", "password", "host", "hostname",
               "host_type", "port", "pathname", "search", "hash" }
local SET = { "href", "protocol", "username", "password", "host", "hostname", "pathname", "search", "hash" }
local CLEAR = { "port", "search", "hash" }
local HAS = { "hostname", "port", "search", "hash" }
-- What a query can be asked, what changes it, and ways through it.
local ASK = { "decode", "decode_all", "has", "has_value", "get", "get_all", "size" }
local CHANGE = { "set", "append", "remove", "remove_value", "sort" }
local WALK = { "each", "each_key", "each_value", "pairs", "ipairs" }

-- An instance has the host's object as its first item.
local URL = { _VERSION = "1.1.0" }
URL.__index = URL


-- ---- methods --------------------------------------------------------------------------------

for _, part in pairs(READ) do
  URL["get_" .. part] = function(self)
    return read(self[1], part)
  end
end

for _, part in pairs(HAS) do
  local name = "has_" .. part
  URL[name] = function(self)
    return read(self[1], name)
  end
end

for _, part in pairs(SET) do
  URL["set_" .. part] = function(self, value)
    assert(type(value) == "string", "invalid " .. (part == "search" and "query" or part))
    if not write(self[1], part, value) then
      return nil, "unable to set " .. part
    end
    return self
  end
end

for _, part in pairs(CLEAR) do
  URL["clear_" .. part] = function(self)
    native.clear(self[1], part)
    return self
  end
end


function URL:set_port(port)
  if type(port) == "number" then
    port = assert(number_to_string(port), "invalid port")
  end
  assert(type(port) == "string", "invalid port")
  if not write(self[1], "port", port) then
    return nil, "unable to set port"
  end
  return self
end


function URL:decode()
  local out = {}
  for _, part in pairs(READ) do
    out[part] = read(self[1], part)
  end
  out.href = nil
  return out
end


function URL:get_components()
  return native.components(self[1])
end


function URL:has_non_empty_username()
  return self:get_username() ~= ""
end


function URL:has_non_empty_password()
  return self:get_password() ~= ""
end

URL.has_password = URL.has_non_empty_password


function URL:has_credentials()
  return self:has_non_empty_username() or self:has_password()
end


function URL:has_empty_hostname()
  return self:has_hostname() and self:get_hostname() == ""
end


function URL:search_parse()
  return search.parse(self:get_search())
end


function URL:search_encode()
  return search.encode(self:get_search())
end

for _, list in pairs { ASK, WALK } do
  for _, name in pairs(list) do
    URL["search_" .. name] = function(self, ...)
      return search[name](self:get_search(), ...)
    end
  end
end

for _, name in pairs(CHANGE) do
  URL["search_" .. name] = function(self, ...)
    return self:set_search(search[name](self:get_search(), ...))
  end
end


URL.__tostring = URL.get_href


function URL:__len()
  return #self:get_href()
end


-- Further use of the instance is an error.
function URL:free()
  self[1] = nil
  setmetatable(self, nil)
end


-- ---- the module -----------------------------------------------------------------------------

local _M = { _VERSION = URL._VERSION, search = search }


local function check(url, name)
  assert(type(url) == "string", "invalid " .. (name or "url"))
end


local function parsed(url, base)
  local object = native.parse(url, base)
  return object and setmetatable({ object }, URL)
end


function _M.parse(url)
  check(url)
  local self = parsed(url)
  if not self then
    return nil, "invalid url"
  end
  return self
end


function _M.parse_with_base(url, base)
  check(url)
  check(base, "base")
  local self = parsed(url, base)
  if not self then
    return nil, "invalid url or base"
  end
  return self
end


function _M.can_parse(url)
  check(url)
  return native.parse(url) ~= nil
end


function _M.can_parse_with_base(url, base)
  check(url)
  check(base, "base")
  return native.parse(url, base) ~= nil
end


function _M.idna_to_ascii(domain)
  check(domain, "domain")
  return native.to_ascii(domain)
end


function _M.idna_to_unicode(domain)
  check(domain, "domain")
  return native.to_unicode(domain)
end


-- What methods do is also done to a text: those that change it answer what it becomes.
for name, method in pairs(URL) do
  if type(method) == "function" and name:sub(1, 2) ~= "__" and name ~= "free" and name ~= "set_href" then
    _M[name] = function(url, ...)
      local self, err = _M.parse(url)
      if not self then
        return nil, err
      end
      local answer, more = method(self, ...)
      if answer == self then
        return self:get_href()
      end
      return answer, more
    end
  end
end


return _M
