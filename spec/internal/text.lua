-- Small things that specs do with texts and tables.

local huge = math.huge
local ipairs, pairs, tostring, type = ipairs, pairs, tostring, type
local lower, match, sub = string.lower, string.match, string.sub

local text = {}


-- A text without the indentation that all its lines share. Lines may be joined, with a space or without.
function text.unindent(indented, joins, spaces)
  local least = huge
  local lines = {}
  for line in (indented .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  while lines[1] and not match(lines[1], "%S") do
    table.remove(lines, 1)
  end
  while lines[1] and not match(lines[#lines], "%S") do
    lines[#lines] = nil
  end
  local starts_at_margin = lines[1] and not match(indented, "^%s")
  for i, line in ipairs(lines) do
    local indent = match(line, "^(%s*)%S")
    if indent and not (i == 1 and starts_at_margin) and #indent < least then
      least = #indent
    end
  end
  least = least == huge and 0 or least
  for i, line in ipairs(lines) do
    if not (i == 1 and starts_at_margin) then
      line = sub(line, least + 1)
    end
    lines[i] = line:gsub("\\r", "\r")
  end
  if lines[1] then
    lines[#lines] = lines[#lines]:gsub("%s+$", "")
  end
  return (table.concat(lines, spaces and " " or joins and "" or "\n"))
end


-- The value of a name in any case, and the name as it is there.
function text.lookup(values, name)
  if type(name) ~= "string" then
    return values[name], name
  end
  local wanted = lower(name)
  for known, value in pairs(values) do
    if lower(tostring(known)) == wanted then
      return value, known
    end
  end
  return nil, name
end


local function before(a, b)
  a, b = a == nil and "" or a, b == nil and "" or b
  if type(a) ~= type(b) then
    return type(a) < type(b)
  elseif type(a) == "table" then
    return before(text.deep_sort(a)[1], text.deep_sort(b)[1])
  elseif type(a) == "number" or type(a) == "string" then
    return a < b
  end
  return false
end


-- Sorts lists within lists, inner ones first.
function text.deep_sort(list)
  if type(list) ~= "table" then
    return list
  end
  for _, item in pairs(list) do
    text.deep_sort(item)
  end
  table.sort(list, before)
  return list
end


return text
