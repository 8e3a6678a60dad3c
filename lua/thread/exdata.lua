-- thread.exdata: a value of the running coroutine that only it sees.
local running, setmetatable, select = coroutine.running, setmetatable, select

local values = setmetatable({}, { __mode = "k" })

-- Without an argument the value, with one it is set.
return function(...)
  local thread = running() or values
  if select("#", ...) == 0 then
    return values[thread]
  end
  values[thread] = (...)
end
