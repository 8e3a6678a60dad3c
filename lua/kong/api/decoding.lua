--- Names of arguments as paths: `a.b[1].c` is a field of the first element of a list in a table.

local insert, ipairs, pairs, tonumber, type = table.insert, ipairs, pairs, tonumber, type

local _M = {}


-- The steps of a name: keys, numbers, and "" for the next place of a list. Nil for a name that is not a path.
local function steps_of(name)
  if name:find("^%.") or name:find("%.$") then
    return nil
  end
  local steps, rest = {}, name
  local first, after = rest:match("^(.[^%[%.]*)(.*)$")
  if not first then
    return nil
  end
  steps[1], rest = first, after
  while rest ~= "" do
    local key, bracket
    key, after = rest:match("^%.([^%[%.]+)(.*)$")
    if not key then
      bracket, after = rest:match("^%[([^%]]*)%](.*)$")
      key = bracket and (tonumber(bracket) or bracket)
    end
    if not key then
      return nil
    end
    steps[#steps + 1], rest = key, after
  end
  return steps
end


-- Puts a value at the end of a path, making the tables on the way.
local function put(container, steps, value)
  for i = 1, #steps - 1 do
    local step = steps[i] == "" and 1 or steps[i]
    if type(container[step]) ~= "table" then
      container[step] = {}
    end
    container = container[step]
  end
  local last = steps[#steps]
  if last == "" and type(value) == "table" then
    for i, element in ipairs(value) do
      insert(container, i, element)
    end
  elseif last == "" then
    container[#container + 1] = value
  elseif type(last) == "number" and container[last] ~= nil then
    insert(container, last, value)
  else
    container[last] = value
  end
end


--- Arguments as a tree.
function _M.nested(arguments)
  local tree = {}
  for name, value in pairs(arguments) do
    local steps = type(name) == "string" and steps_of(name)
    if steps and #steps > 1 then
      put(tree, steps, value)
    elseif steps or type(name) ~= "string" then
      tree[name] = value
    else
      tree[#tree + 1] = value
    end
  end
  return tree
end


return _M
