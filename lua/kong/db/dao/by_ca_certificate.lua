--- A method of the kinds that name CA certificates in a list of their own or of their configuration.

local ipairs, type = ipairs, type


local function names_of(names)
  return type(names) == "string" and { [names] = true } or names
end


local function has(entity, id)
  local list = entity.ca_certificates or type(entity.config) == "table" and entity.config.ca_certificates
  for _, own in ipairs(type(list) == "table" and list or {}) do
    if own == id then
      return true
    end
  end
  return false
end


--- The first entities that name a CA certificate.
-- @param id the certificate's
-- @param limit how many are wanted at most; nil for all
-- @param names the name that an entity must have, or a set of them; nil for any
-- @return a list, perhaps empty; nil, an error and its table
return function(self, id, limit, names)
  local wanted, found = names_of(names), {}
  for entity, err, err_t in self:each() do
    if not entity then
      return nil, err, err_t
    elseif has(entity, id) and (not wanted or wanted[entity.name]) then
      found[#found + 1] = entity
    end
    if limit and #found >= limit then
      break
    end
  end
  return found
end
