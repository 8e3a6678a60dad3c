-- each(list, act, a, b, c): calls `act(item, a, b, c)` for every item of a list; an answer other than
-- nil ends it and is what `each` answers.
--
-- The first items are written out: LuaJIT gives up on a function that enters a loop of few rounds, and
-- the lists of a configuration are short. Straight code becomes part of the caller's trace.

local WRITTEN_OUT = 8

local load = load
local concat = table.concat

local lines = { "return function(list, act, a, b, c)\nlocal item, found\n" }
for i = 1, WRITTEN_OUT do
  lines[#lines + 1] = ("item = list[%d]\nif item == nil then return nil end\n"
                       .. "found = act(item, a, b, c)\nif found ~= nil then return found end\n"):format(i)
end
lines[#lines + 1] = ("for i = %d, #list do\nfound = act(list[i], a, b, c)\n"
                     .. "if found ~= nil then return found end\nend\nend"):format(WRITTEN_OUT + 1)

return load(concat(lines), "=each")()
