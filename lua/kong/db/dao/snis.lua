--- The SNIs of a certificate as a list of names.

local cjson = require "cjson"

local concat, ipairs, setmetatable, sort, tostring = table.concat, ipairs, setmetatable, table.sort, tostring

local _M = {}


--- Whether none of these names belongs to another certificate than the one with this id.
function _M:check_list_is_new(names, certificate_id)
  for _, name in ipairs(names) do
    local sni, err, err_t = self:select_by_name(name)
    if err then
      return nil, err, err_t
    elseif sni and sni.certificate.id ~= certificate_id then
      err_t = self.errors:schema_violation {
        snis = name .. " already associated with existing certificate '" .. sni.certificate.id .. "'",
      }
      return nil, tostring(err_t), err_t
    end
  end
  return true
end


--- Gives a certificate these names.
function _M:insert_list(certificate, names)
  local key = self.db.certificates.schema:extract_pk_values(certificate)
  for _, name in ipairs(names) do
    local ok, err, err_t = self:insert { name = name, certificate = key }
    if not ok then
      return nil, err, err_t
    end
  end
  return true
end


--- Removes the SNIs of these names, all that it can; answers the first error.
function _M:delete_list(names)
  local messages, first = {}, nil
  for _, name in ipairs(names) do
    local ok, err, err_t = self:delete_by_name(name)
    if not ok then
      messages[#messages + 1], first = err, first or err_t
    end
  end
  if first then
    return nil, concat(messages, ","), first
  end
  return true
end


--- The names of a certificate, sorted.
function _M:list_for_certificate(certificate, options)
  local key = self.db.certificates.schema:extract_pk_values(certificate)
  local names = setmetatable({}, cjson.array_mt)
  for sni, err, err_t in self:each_for_certificate(key, nil, options) do
    if not sni then
      return nil, err, err_t
    end
    names[#names + 1] = sni.name
  end
  sort(names)
  return names
end


-- The names of a list that another one does not have.
local function without(names, others)
  local have, rest = {}, {}
  for _, name in ipairs(others) do
    have[name] = true
  end
  for _, name in ipairs(names) do
    rest[#rest + 1] = not have[name] and name or nil
  end
  return rest
end


--- Gives a certificate these names and no others.
function _M:update_list(certificate, names)
  local current, err, err_t = self:list_for_certificate(certificate)
  if not current then
    return nil, err, err_t
  end
  local ok
  ok, err, err_t = self:insert_list(certificate, without(names, current))
  if not ok then
    return nil, err, err_t
  end
  -- the certificate has its names; a name too many is no failure of the write
  self:delete_list(without(current, names))
  return true
end


return _M
