-- The two levels that keep values: a table in this VM, and a shared dictionary of all workers.
--
-- Flags of an entry in the dictionary: its version in the high half; whether it never expires, and
-- whether it was brought back after it had, in the low one.

local buffer = require "string.buffer"
local bit = require "bit"
local lrucache = require "resty.lrucache"
local values = require "kong.resty.mlcache.values"

local ngx = ngx
local error, pcall, setmetatable, type = error, pcall, setmetatable, type
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local STALE, ENDLESS = 1, 2
local STORABLE = { ["nil"] = true, number = true, boolean = true, string = true, table = true }
local ERR_READ = "could not read from lua_shared_dict: "
local ERR_DECODE = "could not deserialize value after lua_shared_dict retrieval: "

-- Tables of level 1 by the name of their cache, as long as a cache has them.
local tables = setmetatable({}, { __mode = "v" })

-- What stands in level 1 for a value that is known to be missing.
local MISS = {}

local _M = { MISS = MISS, STALE = STALE }


-- Gives a cache its table of level 1.
function _M.attach(self)
  local lru = tables[self.name]
  if not lru then
    lru = lrucache.new(self.lru_size)
    tables[self.name] = lru
  end
  self.lru = lru
end


-- Puts a value into level 1. Answers what it holds; nil and why not.
local function remember(self, key, value, ttl, serializer)
  if value == nil then
    value = MISS
  elseif serializer then
    local err
    value, err = values.serialized(serializer, value)
    if err then
      return nil, err
    end
  end
  self.lru:set(key, value, ttl ~= 0 and ttl or nil)
  return value
end


-- Writes to a dictionary, again while it is full: each try evicts older entries.
local function insert(dict, id, text, ttl, flags, tries)
  local ok, err
  for _ = 1, tries do
    ok, err = dict:set(id, text, ttl, flags)
    if ok or err ~= "no memory" then
      return ok, err
    end
  end
  return ok, err
end


-- Puts a value into level 2. A full dictionary is an error only if `strict`.
local function share(self, key, value, ttl, flags, tries, strict)
  if not STORABLE[type(value)] then
    error("cannot cache value of type " .. type(value))
  end
  local dict, name = self.dict, self.shm
  if value == nil and self.dict_miss then
    dict, name = self.dict_miss, self.shm_miss
  end
  flags = ttl == 0 and bor(flags or 0, ENDLESS) or flags or 0
  local ok, err = insert(dict, self.name .. key, buffer.encode(value), ttl, flags, tries)
  if ok then
    return true
  elseif err ~= "no memory" or strict then
    return nil, "could not write to lua_shared_dict '" .. name .. "': " .. err
  end
  ngx.log(ngx.WARN, "could not write to lua_shared_dict '", name, "' after ", tries, " tries (no memory), ",
          "it is either fragmented or cannot allocate more memory, consider increasing 'opts.shm_set_tries'")
  return true
end


-- Puts a value into both levels. `life` has its ttl, neg_ttl, l1_serializer and shm_set_tries. Answers
-- what level 1 holds.
function _M.put(self, key, value, life, flags, strict)
  local ttl = value == nil and life.neg_ttl or value ~= nil and life.ttl
  local ok, err = share(self, key, value, ttl, flags, life.shm_set_tries, strict)
  if not ok then
    return nil, err
  end
  return remember(self, key, value, ttl, life.l1_serializer)
end


-- What level 2 has under a key, expired or not: text, flags, whether it has expired, its dictionary;
-- nil where there is nothing, nil and an error where reading fails.
local function find(self, key)
  local id, dict = self.name .. key, self.dict
  local text, flags, expired = dict:get_stale(id)
  if text == nil and not flags and self.dict_miss then
    dict = self.dict_miss
    text, flags, expired = dict:get_stale(id)
  end
  if text == nil then
    return nil, flags and ERR_READ .. flags
  end
  return text, flags or 0, expired, dict
end

_M.find = find


local function decode(text)
  local ok, value = pcall(buffer.decode, text)
  if not ok then
    return nil, ERR_DECODE .. value
  end
  return value
end

_M.decode = decode


function _M.version(flags)
  return band(rshift(flags or 0, 16), 0xffff)
end

function _M.with_version(version)
  return lshift(version, 16)
end

function _M.is_endless(flags)
  return band(flags, ENDLESS) ~= 0
end


-- Brings a value of level 2 up to level 1. Answers whether there is a current one, what level 1 holds
-- of it, and the level it counts as; for an expired one false, its value and true; an error comes
-- fourth.
function _M.promote(self, key, serializer)
  local text, flags, expired, dict = find(self, key)
  if text == nil then
    return false, nil, nil, flags
  end
  local value, err = decode(text)
  if err then
    return false, nil, nil, err
  elseif expired then
    return false, value, true
  end
  local level = band(flags, STALE) ~= 0 and 4 or 2
  local ttl = band(flags, ENDLESS) ~= 0 and 0 or dict:ttl(self.name .. key)
  if not ttl or ttl < 0 or ttl == 0 and band(flags, ENDLESS) == 0 then
    -- It expires now: level 1 would keep it for ever. A missing value counts as not found.
    return value ~= nil, value, level
  end
  value, err = remember(self, key, value, ttl, serializer)
  if err then
    return false, nil, nil, err
  end
  return true, value, level
end


return _M
