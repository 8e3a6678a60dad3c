-- Text with `$(expression)` in it. Parentheses within an expression must balance.

local load, setmetatable, tostring, xpcall = load, setmetatable, tostring, xpcall
local concat = table.concat
local find, format, gmatch, sub = string.find, string.format, string.gmatch, string.sub

local _M = {}

-- Line breaks of the text stay where they are, so that an error names the line of the text.
local PROLOGUE = "return function() local __n, __out = 0, {}"
local PUT = " __n = __n + 1; __out[__n] = "


local function lua_of(text)
  local pieces, from = { PROLOGUE }, 1
  for start, expression, stop in gmatch(text, "()%$(%b())()") do
    pieces[#pieces + 1] = PUT .. format("%q", sub(text, from, start - 1))
    pieces[#pieces + 1] = PUT .. "__tostring((" .. sub(expression, 2, -2) .. ") or '')"
    from = stop
  end
  if from <= #text then
    pieces[#pieces + 1] = PUT .. format("%q", sub(text, from))
  end
  pieces[#pieces + 1] = " return __out end"
  return concat(pieces)
end


-- A function that renders the text with the names of an environment, or nil and what is wrong with
-- an expression. Text without expressions is its own rendering.
--
-- The function returns the text, or nil and an error with a traceback.
function _M.compile(text)
  if not find(text, "%$%b()") then
    return function() return text end
  end

  local names = setmetatable({ __tostring = tostring }, {})
  local chunk, err = load(lua_of(text), "TMP", "t", names)
  if not chunk then
    return nil, err
  end

  local run = chunk()
  return function(environment)
    setmetatable(names, { __index = environment })
    local ok, out = xpcall(run, debug.traceback)
    if not ok then
      return nil, out
    end
    return concat(out)
  end
end


-- Whether the text has expressions.
function _M.has_expressions(text)
  return find(text, "%$%b()") ~= nil
end


return _M
