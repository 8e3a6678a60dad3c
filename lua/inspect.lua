-- Lua values as readable text: `inspect(value, options)`.
--
-- Lists stand on one line, other pairs on a line each, in the order of their keys. A table that is
-- met again is named by a number: `<1>{ ... }` the first time, `<table 1>` after.

local byte, find, fmt, gsub, rep = string.byte, string.find, string.format, string.gsub, string.rep
local concat, sort = table.concat, table.sort
local getmetatable, ipairs, next, rawget, setmetatable, tostring, type =
  getmetatable, ipairs, next, rawget, setmetatable, tostring, type

local RANK = { number = 1, boolean = 2, string = 3, table = 4, ["function"] = 5, userdata = 6, thread = 7 }
local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
               return then true until while]]):gmatch("%a+") do
  KEYWORDS[word] = true
end
local ESCAPES = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
                  ["\t"] = "\\t", ["\v"] = "\\v", ["\127"] = "\\127" }

local inspect = {
  KEY = setmetatable({}, { __tostring = function() return "inspect.KEY" end }),
  METATABLE = setmetatable({}, { __tostring = function() return "inspect.METATABLE" end }),
}


local function quote(text)
  text = gsub(gsub(text, "\\", "\\\\"), "[%c\127]", function(char)
    return ESCAPES[char] or fmt("\\%d", byte(char))
  end)
  if find(text, '"', 1, true) and not find(text, "'", 1, true) then
    return "'" .. text .. "'"
  end
  return '"' .. gsub(text, '"', '\\"') .. '"'
end


local function is_name(key)
  return type(key) == "string" and find(key, "^[%a_][%w_]*$") ~= nil and not KEYWORDS[key]
end


local function before(a, b)
  local kind, other = type(a), type(b)
  if kind == other and (kind == "string" or kind == "number") then
    return a < b
  end
  local one, two = RANK[kind] or 100, RANK[other] or 100
  if one ~= two then
    return one < two
  end
  return kind < other
end


-- How long the list is that a table begins with, and its other keys in order.
local function keys_of(map)
  local length, keys = 0, {}
  while rawget(map, length + 1) ~= nil do
    length = length + 1
  end
  for key in next, map do
    if not (type(key) == "number" and key >= 1 and key <= length and key % 1 == 0) then
      keys[#keys + 1] = key
    end
  end
  sort(keys, before)
  return length, keys
end


-- How often each table is met.
local function count(value, met)
  if type(value) ~= "table" then
    return met
  end
  met[value] = (met[value] or 0) + 1
  if met[value] == 1 then
    for key, inner in next, value do
      count(key, met)
      count(inner, met)
    end
    count(getmetatable(value), met)
  end
  return met
end


local write

local function write_table(out, map, depth)
  local number = out.met[map] > 1 and out.number(map)
  if number and out.written[map] then
    out[#out + 1] = "<table " .. number .. ">"
    return
  elseif depth >= out.depth then
    out[#out + 1] = "{...}"
    return
  end
  out.written[map] = true

  local length, keys = keys_of(map)
  local mt = getmetatable(map)
  local line = out.newline .. rep(out.indent, depth + 1)
  local separator = ""
  out[#out + 1] = number and "<" .. number .. ">{" or "{"
  for i = 1, length do
    out[#out + 1] = separator .. " "
    write(out, map[i], depth + 1)
    separator = ","
  end
  local function pair(name, value)
    out[#out + 1] = separator .. line .. name .. " = "
    write(out, value, depth + 1)
    separator = ","
  end
  for _, key in ipairs(keys) do
    local name = key
    if not is_name(key) then
      local inner = setmetatable({}, { __index = out })
      write(inner, key, depth + 1)
      name = "[" .. concat(inner) .. "]"
    end
    pair(name, map[key])
  end
  if type(mt) == "table" then
    pair("<metatable>", mt)
  end
  if #keys > 0 or type(mt) == "table" then
    out[#out + 1] = out.newline .. rep(out.indent, depth)
  elseif length > 0 then
    out[#out + 1] = " "
  end
  out[#out + 1] = "}"
end


function write(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "table" then
    write_table(out, value, depth)
  elseif RANK[kind] and RANK[kind] >= 5 then
    out[#out + 1] = "<" .. kind .. " " .. out.number(value) .. ">"
  else
    out[#out + 1] = tostring(value)
  end
end


-- Numbers for values of one kind, in the order they are met.
local function numbering()
  local numbers, last = {}, {}
  return function(value)
    if not numbers[value] then
      local kind = type(value)
      last[kind] = (last[kind] or 0) + 1
      numbers[value] = last[kind]
    end
    return numbers[value]
  end
end


-- A copy with every value passed through `process(value, path)`; nil drops it.
local function processed(value, process, path, seen)
  if type(value) ~= "table" then
    return process(value, path)
  elseif seen[value] then
    return seen[value]
  end
  value = process(value, path)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  seen[value] = copy
  for key, inner in next, value do
    local below = { unpack(path) }
    below[#below + 1] = key
    copy[key] = processed(inner, process, below, seen)
  end
  local mt = processed(getmetatable(value), process, { unpack(path), inspect.METATABLE }, seen)
  return setmetatable(copy, type(mt) == "table" and mt or nil)
end


-- The text. Options: depth, newline, indent, process.
function inspect.inspect(value, options)
  options = options or {}
  if options.process then
    value = processed(value, options.process, {}, {})
  end
  local out = {
    met = count(value, {}), written = {}, number = numbering(),
    depth = options.depth or math.huge, newline = options.newline or "\n", indent = options.indent or "  ",
  }
  write(out, value, 0)
  return concat(out)
end


return setmetatable(inspect, {
  __call = function(_, value, options)
    return inspect.inspect(value, options)
  end,
})
