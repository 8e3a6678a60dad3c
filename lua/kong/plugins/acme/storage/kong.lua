-- The storage `kong`: the table acme_storage of the database.

local kong = kong
local ipairs, setmetatable, sub = ipairs, setmetatable, string.sub

local PAGE = 100

local _M = {}
local mt = { __index = _M }


function _M.new()
  return setmetatable({ dao = kong.db.acme_storage }, mt)
end


-- Sets what is not there yet; returns an error, "exists" when it is.
function _M:add(key, value, ttl)
  local known, err = self:get(key)
  if err then
    return "error getting key " .. err
  elseif known then
    return "exists"
  end
  local _
  _, err = self.dao:insert({ key = key, value = value }, { ttl = ttl })
  return err
end


function _M:set(key, value, ttl)
  local _, err = self.dao:upsert_by_key(key, { value = value }, { ttl = ttl })
  return err
end


function _M:delete(key)
  local row, err = self.dao:select_by_key(key)
  if row then
    local _
    _, err = self.dao:delete(row)
  end
  return err
end


function _M:get(key)
  local row, err = self.dao:select_by_key(key)
  return row and row.value, err
end


-- The keys that begin with a text; an empty list and an error.
function _M:list(prefix)
  local found, offset = {}, nil
  prefix = prefix or ""
  repeat
    local rows, err, _, next_offset = self.dao:page(PAGE, offset)
    if err then
      return {}, err
    end
    for _, row in ipairs(rows) do
      if sub(row.key, 1, #prefix) == prefix then
        found[#found + 1] = row.key
      end
    end
    offset = next_offset
  until not offset
  return found
end


return _M
