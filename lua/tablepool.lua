-- tablepool: tables that are used again, by the name of their pool.
local clear, new = require "table.clear", require "table.new"
local error, setmetatable = error, setmetatable

-- Tables a pool keeps.
local MOST = 100

local _M = { _VERSION = "0.03" }
local pools = {}

function _M.fetch(name, array, fields)
  local pool = pools[name]
  local count = pool and pool.count or 0
  if count == 0 then
    return new(array or 4, fields or 4)
  end
  local object = pool[count]
  pool[count], pool.count = nil, count - 1
  return object
end

function _M.release(name, object, no_clear)
  if not object then
    error("object empty", 2)
  end
  if not no_clear then
    setmetatable(object, nil)
    clear(object)
  end
  local pool = pools[name]
  if not pool then
    pool = { count = 0 }
    pools[name] = pool
  end
  if pool.count < MOST then
    pool.count = pool.count + 1
    pool[pool.count] = object
  end
end

return _M
