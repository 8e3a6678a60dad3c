-- resty.openssl.auxiliary.list: what lists of certificates and of extensions have in common.
local getmetatable, insert, setmetatable, type = getmetatable, table.insert, setmetatable, type


-- A kind of list; `name` is the module's in messages.
return function(name)
  local _M = {}
  local mt = { __index = _M }

  -- What is handed on as the list's `ctx` is the list itself.
  local function made(items)
    items.ctx = items
    return setmetatable(items, mt)
  end

  function _M.new()
    return made({})
  end

  function _M.istype(object)
    return getmetatable(object) == mt
  end

  function _M:all()
    local all = {}
    for i = 1, #self do
      all[i] = self[i]
    end
    return all
  end

  function _M.dup(other)
    if not _M.istype(other) then
      return nil, name .. ".dup: expect an instance at #1"
    end
    return made(other:all())
  end

  function _M:add(item)
    if type(item) ~= "table" or not item.ctx then
      return nil, "expect an instance at #1"
    end
    insert(self, item)
    return self
  end

  function _M:count()
    return #self
  end

  function _M:index(i)
    return self[i]
  end

  function _M:each()
    local i = 0
    return function()
      i = i + 1
      if self[i] then
        return i, self[i]
      end
    end
  end

  _M.iter = _M.each

  return _M
end
