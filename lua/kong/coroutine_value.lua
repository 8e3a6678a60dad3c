-- Values that belong to a coroutine: what `thread.exdata` and `thread.exdata2` are, one each.

local running, select, setmetatable = coroutine.running, select, setmetatable


-- A function that gives the value of the running coroutine, and with an argument sets it.
return function()
  local values = setmetatable({}, { __mode = "k" })
  return function(...)
    local thread = running() or values
    if select("#", ...) == 0 then
      return values[thread]
    end
    values[thread] = (...)
  end
end
