-- Versions that can be compared: `version("3.9.3") >= version "3.0"`.

local ipairs, setmetatable, tonumber, tostring, type = ipairs, setmetatable, tonumber, tostring, type
local gmatch, match = string.gmatch, string.match

local Version = {}
Version.__index = Version

local _M = {}


-- A version of a text of numbers with dots between them; nil and why not for any other.
local function parse(text)
  if type(text) == "table" then
    return text
  end
  local numbers = { text = tostring(text) }
  local digits = match(numbers.text, "^%s*v?(%d[%d.]*)[^%s]*%s*$")
  if not digits then
    return nil, "Not a valid version element: '" .. numbers.text .. "'"
  end
  for number in gmatch(digits, "%d+") do
    numbers[#numbers + 1] = tonumber(number)
  end
  return setmetatable(numbers, Version)
end


local function order(a, b)
  for i = 1, #a > #b and #a or #b do
    local difference = (a[i] or 0) - (b[i] or 0)
    if difference ~= 0 then
      return difference
    end
  end
  return 0
end


Version.__eq = function(a, b) return order(a, b) == 0 end
Version.__lt = function(a, b) return order(a, b) < 0 end
Version.__le = function(a, b) return order(a, b) <= 0 end
Version.__tostring = function(self) return self.text end


-- Versions from one to another, both included.
local Set = {}
Set.__index = Set


-- Adds a range. Answers the set.
function Set:allowed(from, to)
  self.ranges[#self.ranges + 1] = { parse(from), parse(to or from), true }
  return self
end


-- Takes a range out. Answers the set.
function Set:disallowed(from, to)
  self.ranges[#self.ranges + 1] = { parse(from), parse(to or from), false }
  return self
end


-- Whether a version is in a range that was added and in none that was taken out.
function Set:matches(text)
  local version, is_in = parse(text), false
  if not version then
    return nil, "invalid version"
  end
  for _, range in ipairs(self.ranges) do
    if version >= range[1] and version <= range[2] then
      if not range[3] then
        return false
      end
      is_in = true
    end
  end
  return is_in
end


function _M.set(from, to)
  local set = setmetatable({ ranges = {} }, Set)
  return from and set:allowed(from, to) or set
end


_M.range, _M.version = _M.set, parse

return setmetatable(_M, { __call = function(_, text) return parse(text) end })
