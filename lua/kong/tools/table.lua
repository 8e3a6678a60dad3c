-- Tables: copying, merging, looking.

local type, pairs, ipairs, next, select, unpack = type, pairs, ipairs, next, select, unpack
local tostring, setmetatable, getmetatable, error = tostring, setmetatable, getmetatable, error
local floor = math.floor

local _M = {}

-- An empty table that cannot be written to.
_M.EMPTY = setmetatable({}, {
  __metatable = false,
  __newindex = function() error("Attempt to modify read-only table", 2) end,
})


function _M.pack(...)
  return { n = select("#", ...), ... }
end


function _M.unpack(list, from, to)
  return unpack(list, from or 1, to or list.n or #list)
end


local function copy_into(target, source)
  for key, value in pairs(source or {}) do
    target[key] = value
  end
  return target
end

-- A new table with the pairs of both, those of the second winning.
function _M.table_merge(first, second)
  return copy_into(copy_into({}, first), second)
end


-- As table_merge, but null in the second does not replace what the first has.
function _M.null_aware_table_merge(first, second)
  local merged = copy_into({}, first)
  for key, value in pairs(second or {}) do
    if value ~= ngx.null or merged[key] == nil then
      merged[key] = value
    end
  end
  return merged
end


-- Whether one of the table's values is this one.
function _M.table_contains(list, wanted)
  for _, value in pairs(list or {}) do
    if value == wanted then
      return true
    end
  end
  return false
end


local function is_strict_array(list)
  local count, last = 0, 0
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key ~= floor(key) then
      return false
    end
    count = count + 1
    last = key > last and key or last
  end
  return count == last
end

-- An array whose positions may also be written as strings, as form bodies bring them.
function _M.is_lapis_array(list)
  if type(list) ~= "table" then
    return false
  end
  local position = 0
  for _ in pairs(list) do
    position = position + 1
    if list[position] == nil and list[tostring(position)] == nil then
      return false
    end
  end
  return true
end

-- Whether a value is an array: by every key (the default), "fast", or as form bodies write them.
function _M.is_array(value, mode)
  if type(value) ~= "table" then
    return false
  elseif mode == "lapis" then
    return _M.is_lapis_array(value)
  elseif mode == "fast" then
    return require("table.isarray")(value)
  end
  return is_strict_array(value)
end


-- A copy of everything, keys too; of metatables as well unless `copy_mt` is false.
function _M.deep_copy(value, copy_mt)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, inner in next, value do
    copy[_M.deep_copy(key)] = _M.deep_copy(inner, copy_mt)
  end
  if copy_mt ~= false then
    setmetatable(copy, _M.deep_copy(getmetatable(value)))
  end
  return copy
end


-- A copy of the outermost table only.
function _M.shallow_copy(value)
  return type(value) == "table" and copy_into({}, value) or value
end


-- A copy of the first with the second laid over it, table by table.
function _M.deep_merge(first, second)
  local merged = _M.deep_copy(first)
  for key, value in pairs(second) do
    local inner = merged[key]
    local both = type(value) == "table" and type(inner) == "table"
    merged[key] = both and _M.deep_merge(inner, value) or _M.deep_copy(value)
  end
  return merged
end


-- A copy in which each table stands once, however often and however deep it is referred to.
-- Metatables are shared with the original, or dropped; keys that are tables are copied on demand. Tables that
-- only `pairs` shows are taken, too: views of other tables rely on it.
function _M.cycle_aware_deep_copy(value, remove_metatables, deep_copy_keys, seen)
  if type(value) ~= "table" then
    return value
  end
  seen = seen or {}
  local copy = seen[value]
  if copy then
    return copy
  end

  copy = {}
  seen[value] = copy
  for key, inner in next, value do
    copy[key] = inner
  end
  for key, inner in pairs(value) do
    if type(inner) == "table" then
      copy[key] = _M.cycle_aware_deep_copy(inner, remove_metatables, deep_copy_keys, seen)
    end
    if deep_copy_keys and type(key) == "table" then
      local kept = copy[key]
      copy[key] = nil
      copy[_M.cycle_aware_deep_copy(key, remove_metatables, true, seen)] = kept
    end
  end
  return remove_metatables and copy or setmetatable(copy, getmetatable(value))
end


-- A cycle-aware copy of the first with the second laid over it, table by table.
function _M.cycle_aware_deep_merge(first, second, remove_metatables, deep_copy_keys, seen)
  seen = seen or {}
  local merged = _M.cycle_aware_deep_copy(first, remove_metatables, deep_copy_keys, seen)
  for key, value in pairs(second) do
    if type(value) == "table" then
      local below = merged[key]
      local combine = type(below) == "table"
      merged[key] = combine
        and _M.cycle_aware_deep_merge(below, value, remove_metatables, deep_copy_keys, seen)
        or _M.cycle_aware_deep_copy(value, remove_metatables, deep_copy_keys, seen)
    else
      merged[key] = value
    end
  end
  return merged
end


-- The items of all lists in one.
function _M.concat(...)
  local all, count = {}, 0
  for i = 1, select("#", ...) do
    for _, item in ipairs((select(i, ...))) do
      count = count + 1
      all[count] = item
    end
  end
  return all
end


local several = {}

-- Files an error under a key; a second one under the same key makes a list of both.
function _M.add_error(errors, key, message)
  errors = errors or {}
  local present = errors[key]
  if not present then
    errors[key] = message
  elseif getmetatable(present) == several then
    present[#present + 1] = message
  else
    errors[key] = setmetatable({ present, message }, several)
  end
  return errors
end


-- The value at the end of a path of keys; nil where the path breaks off.
function _M.table_path(value, path)
  for i = 1, #path do
    value = value[path[i]]
    if value == nil then
      return nil
    end
  end
  return value
end


return _M
