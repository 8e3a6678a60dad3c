-- resty.limit.count: so many events in a window of time.
local ngx_shared = ngx.shared
local assert, setmetatable = assert, setmetatable

local _M = { _VERSION = "0.09" }
local mt = { __index = _M }


function _M.new(name, limit, window)
  local dict = ngx_shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(limit > 0 and window > 0)
  return setmetatable({ dict = dict, limit = limit, window = window }, mt)
end


-- The delay (always 0) and what is left; nil and "rejected" beyond the limit. Without `commit` the
-- event is only weighed.
function _M:incoming(key, commit, cost)
  cost = cost or 1
  local dict, limit = self.dict, self.limit
  local remaining, err
  if commit then
    remaining, err = dict:incr(key, -cost, limit, self.window)
    if not remaining then
      return nil, err
    end
  else
    remaining = (dict:get(key) or limit) - cost
  end
  if remaining < 0 then
    return nil, "rejected"
  end
  return 0, remaining
end


-- Takes an event back; answers what is left.
function _M:uncommit(key, cost)
  local remaining, err = self.dict:incr(key, cost or 1)
  if not remaining then
    if err == "not found" then
      return self.limit
    end
    return nil, err
  end
  return remaining
end


return _M
