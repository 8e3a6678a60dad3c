-- resty.limit.traffic: several limits at once.
local max = math.max

local _M = { _VERSION = "0.09" }


-- The longest delay of all limiters. The last one counts at once; the others are asked first and
-- count once the last has not rejected.
function _M.combine(limiters, keys, states)
  local count, delay = #limiters, 0
  for i = 1, count do
    local wait, state = limiters[i]:incoming(keys[i], i == count)
    if not wait then
      return nil, state
    end
    if states and i == count then
      states[i] = state
    end
    delay = max(delay, wait)
  end
  for i = 1, count - 1 do
    local wait, state = limiters[i]:incoming(keys[i], true)
    if not wait then
      for j = 1, i - 1 do
        limiters[j]:uncommit(keys[j])
      end
      limiters[count]:uncommit(keys[count])
      return nil, state
    end
    if states then
      states[i] = state
    end
    delay = max(delay, wait)
  end
  return delay
end


return _M
