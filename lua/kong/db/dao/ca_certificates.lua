--- A CA certificate stays as long as a service or a plugin names it.

local fmt, ipairs, tostring, type = string.format, ipairs, tostring, type

local _M = {}


-- Whether the list of a record, or of a record in it, holds an id.
local function names(record, id)
  if type(record) ~= "table" then
    return false
  end
  for _, certificate in ipairs(type(record.ca_certificates) == "table" and record.ca_certificates or {}) do
    if certificate == id then
      return true
    end
  end
  return false
end


--- The kind and the entity that name a CA certificate, if any does; nil and an error where that is unknown.
function _M:check_ca_reference(id)
  for _, kind in ipairs { "services", "plugins" } do
    for entity, err in self.db[kind]:each() do
      if not entity then
        return nil, fmt("failed to select %s by ca certificate %s: %s", kind, id, tostring(err))
      elseif names(entity, id) or names(entity.config, id) then
        return kind, entity
      end
    end
  end
end


function _M:delete(primary_key, options)
  local kind, entity = self:check_ca_reference(primary_key.id)
  local err_t
  if kind then
    err_t = self.errors:referenced_by_others(fmt("ca certificate %s is still referenced by %s (id = %s)",
                                                 primary_key.id, kind, entity.id))
  elseif entity then
    err_t = self.errors:database_error(entity)
  end
  if err_t then
    return nil, tostring(err_t), err_t
  end
  return self.super.delete(self, primary_key, options)
end


return _M
