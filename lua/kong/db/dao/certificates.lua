--- Certificates come with the names of their SNIs, as the list `snis`: a pseudo field that writes take too.

local cjson = require "cjson"

local null = ngx.null
local ipairs, setmetatable, sort, tostring, type = ipairs, setmetatable, table.sort, tostring, type

local _M = {}


-- The names that a write gives, sorted; none at all where it says nothing about them.
local function names_in(self, entity)
  local given = entity.snis
  if given ~= null and type(given) ~= "table" then
    return nil
  end
  local names, seen = setmetatable({}, cjson.array_mt), {}
  for i, name in ipairs(given == null and {} or given) do
    if seen[name] then
      local err_t = self.errors:schema_violation { snis = tostring(name) .. " is duplicated" }
      return nil, tostring(err_t), err_t
    end
    names[i], seen[name] = name, true
  end
  sort(names)
  return names
end


-- Runs a write of the certificate, then one of its names; `id` is that of a certificate that is there.
local function write(self, entity, id, certificate_written, names_written)
  local names, err, err_t = names_in(self, entity)
  if err_t then
    return nil, err, err_t
  end
  local ok
  if names then
    ok, err, err_t = self.db.snis:check_list_is_new(names, id)
    if not ok then
      return nil, err, err_t
    end
  end
  local certificate
  certificate, err, err_t = certificate_written()
  if not certificate then
    return nil, err, err_t
  end
  if not names then
    certificate.snis, err, err_t = self.db.snis:list_for_certificate(certificate)
    if not certificate.snis then
      return nil, err, err_t
    end
    return certificate
  end
  certificate.snis = names
  ok, err, err_t = names_written(certificate, names)
  if not ok then
    return nil, err, err_t
  end
  return certificate
end


function _M:insert(entity, options)
  return write(self, entity, nil, function()
    return self.super.insert(self, entity, options)
  end, function(certificate, names)
    return self.db.snis:insert_list(certificate, names)
  end)
end


for _, method in ipairs { "update", "upsert" } do
  _M[method] = function(self, primary_key, entity, options)
    return write(self, entity, primary_key.id, function()
      return self.super[method](self, primary_key, entity, options)
    end, function(_, names)
      return self.db.snis:update_list(primary_key, names)
    end)
  end
end


--- A certificate with the names of its SNIs; one that is not there is an error.
function _M:select_with_name_list(primary_key, options)
  local certificate, err, err_t = self:select(primary_key, options)
  if err_t then
    return nil, err, err_t
  elseif not certificate then
    err_t = self.errors:not_found(self.schema:extract_pk_values(primary_key))
    return nil, tostring(err_t), err_t
  end
  certificate.snis, err, err_t = self.db.snis:list_for_certificate(certificate)
  if err_t then
    return nil, err, err_t
  end
  return certificate
end


function _M:page(...)
  local certificates, err, err_t, offset = self.super.page(self, ...)
  for _, certificate in ipairs(certificates or {}) do
    certificate.snis, err, err_t = self.db.snis:list_for_certificate(certificate)
    if not certificate.snis then
      return nil, err, err_t
    end
  end
  return certificates, err, err_t, offset
end


function _M:delete(primary_key, options)
  local names, err, err_t = self.db.snis:list_for_certificate(primary_key)
  if not names then
    return nil, err, err_t
  end
  local ok
  ok, err, err_t = self.db.snis:delete_list(names)
  if not ok then
    return nil, err, err_t
  end
  return self.super.delete(self, primary_key, options)
end


return _M
