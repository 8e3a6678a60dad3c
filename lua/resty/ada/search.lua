-- resty.ada.search: the parameters of a URL's query, in order.

local native = require "resty.ada.native"
local number_to_string = require("resty.ada.utils").number_to_string

local assert, pairs, setmetatable, type = assert, pairs, setmetatable, type
local insert, remove = table.insert, table.remove

local before, list_of, text_of = native.before, native.search_list, native.search_text

-- An instance has, as its first item, names and values in turn.
local Search = {}
Search.__index = Search


local function check_key(key)
  assert(type(key) == "string", "invalid key")
end

local function check_value(value)
  assert(type(value) == "string", "invalid value")
end


local function parse(search)
  assert(type(search) == "string", "invalid search")
  return setmetatable({ list_of(search) }, Search)
end


-- ---- reading --------------------------------------------------------------------------------

function Search:decode()
  local list, out = self[1], {}
  for i = 1, #list, 2 do
    out[list[i]] = out[list[i]] or list[i + 1]
  end
  return out
end

function Search:decode_all()
  local list, out = self[1], {}
  for i = 1, #list, 2 do
    out[list[i]] = out[list[i]] or {}
    insert(out[list[i]], list[i + 1])
  end
  return out
end

function Search:get_all(key)
  check_key(key)
  local list, out = self[1], {}
  for i = 1, #list, 2 do
    if list[i] == key then
      insert(out, list[i + 1])
    end
  end
  return out
end

function Search:get(key)
  return self:get_all(key)[1]
end

function Search:has(key)
  return self:get(key) ~= nil
end

function Search:has_value(key, value)
  check_key(key)
  check_value(value)
  for _, found in pairs(self:get_all(key)) do
    if found == value then
      return true
    end
  end
  return false
end

function Search:size()
  return #self[1] / 2
end

function Search:tostring()
  return text_of(self[1])
end


-- ---- changing -------------------------------------------------------------------------------

function Search:reset(search)
  assert(type(search) == "string", "invalid search")
  self[1] = list_of(search)
  return self
end

function Search:append(key, value)
  check_key(key)
  check_value(value)
  insert(self[1], key)
  insert(self[1], value)
  return self
end

function Search:set(key, value)
  check_key(key)
  check_value(value)
  local kept, is_set = {}, false
  local list = self[1]
  for i = 1, #list, 2 do
    if list[i] ~= key then
      insert(kept, list[i])
      insert(kept, list[i + 1])
    elseif not is_set then
      is_set = true
      insert(kept, key)
      insert(kept, value)
    end
  end
  self[1] = kept
  return is_set and self or self:append(key, value)
end

-- Drops pairs of a name: those with a value, or all.
local function drop(self, key, value)
  local list, kept = self[1], {}
  for i = 1, #list, 2 do
    if list[i] ~= key or value and list[i + 1] ~= value then
      insert(kept, list[i])
      insert(kept, list[i + 1])
    end
  end
  self[1] = kept
  return self
end

function Search:remove(key)
  check_key(key)
  return drop(self, key)
end

function Search:remove_value(key, value)
  check_key(key)
  check_value(value)
  return drop(self, key, value)
end

-- By name; what has the same name stays in order.
function Search:sort()
  local list = self[1]
  for i = 3, #list, 2 do
    local key, at = list[i], i
    while at > 1 and before(key, list[at - 2]) do
      at = at - 2
    end
    if at < i then
      local value = remove(list, i + 1)
      remove(list, i)
      insert(list, at, value)
      insert(list, at, key)
    end
  end
  return self
end


-- ---- iterating ------------------------------------------------------------------------------

-- An iterator that answers what `item(key, value, number)` makes of each pair.
local function iterate(self, item)
  local list, i = self[1], -1
  return function()
    i = i + 2
    if list[i] then
      return item(list[i], list[i + 1], (i + 1) / 2)
    end
  end
end

function Search:each()
  return iterate(self, function(key, value) return { key = key, value = value } end)
end

function Search:each_key()
  return iterate(self, function(key) return key end)
end

function Search:each_value()
  return iterate(self, function(_, value) return value end)
end

function Search:pairs()
  return iterate(self, function(key, value) return key, value end)
end

function Search:ipairs()
  return iterate(self, function(key, value, number) return number, { key = key, value = value } end)
end

Search.__pairs, Search.__ipairs = Search.pairs, Search.ipairs
Search.__tostring, Search.__len = Search.tostring, Search.size


-- Further use of the instance is an error.
function Search:free()
  self[1] = nil
  setmetatable(self, nil)
end


-- ---- the module -----------------------------------------------------------------------------

local function value_text(value)
  if value == true then
    return ""
  end
  return type(value) == "number" and number_to_string(value) or value
end


-- The text of a table of parameters, or of a text. `false` leaves a parameter out, `true` is without a value,
-- a list stands for several.
local function encode(params)
  if type(params) ~= "table" then
    return parse(params):tostring()
  end
  local search = parse("")
  for key, value in pairs(params) do
    for _, one in pairs(type(value) == "table" and value or { value }) do
      if one then
        search:append(key, value_text(one))
      end
    end
  end
  return search:sort():tostring()
end


local _M = { _VERSION = "1.1.0", parse = parse, encode = encode }

for _, name in pairs { "decode", "decode_all", "has", "has_value", "get", "get_all", "size",
                       "each", "each_key", "each_value", "pairs", "ipairs" } do
  _M[name] = function(search, ...)
    local instance = parse(search)
    return instance[name](instance, ...)
  end
end

for _, name in pairs { "set", "append", "remove", "remove_value", "sort" } do
  _M[name] = function(search, ...)
    local instance = parse(search)
    return instance[name](instance, ...):tostring()
  end
end

return _M
