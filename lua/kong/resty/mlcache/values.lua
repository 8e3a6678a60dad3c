-- What becomes of a value that was loaded: how long it lives, and what level 1 holds of it.

local ngx = ngx
local pcall, type = pcall, type

local _M = {}


-- What the serializer of level 1 makes of a value; nil and why it failed.
function _M.serialized(serializer, value)
  local ok, made, err = pcall(serializer, value)
  if not ok then
    return nil, "l1_serializer threw an error: " .. made
  elseif err then
    return nil, err
  elseif made == nil then
    return nil, "l1_serializer returned a nil value"
  end
  return made
end


-- The options of a value whose callback may have `given` it another ttl; nil for one that is not kept.
function _M.life_of(life, value, given)
  if type(given) ~= "number" then
    return life
  elseif given < 0 then
    return nil
  end
  return {
    ttl = value ~= nil and given or life.ttl, neg_ttl = value == nil and given or life.neg_ttl,
    l1_serializer = life.l1_serializer, shm_set_tries = life.shm_set_tries,
  }
end


-- Puts a value that has expired back for a while, because the callback failed: `put(self, key, value,
-- life, ...)` keeps it. Answers value, error, level.
function _M.resurrect(put, self, key, old, life, err, ...)
  local ttl = life.resurrect_ttl
  ngx.log(ngx.WARN, "callback returned an error (", err, ") but stale value found in shm will be ",
          "resurrected for ", ttl, "s (resurrect_ttl)")
  local value, why = put(self, key, old, {
    ttl = ttl, neg_ttl = ttl, l1_serializer = life.l1_serializer, shm_set_tries = life.shm_set_tries,
  }, ...)
  if why then
    ngx.log(ngx.WARN, "could not resurrect stale data (", why, ")")
  end
  return value, nil, 4
end


return _M
