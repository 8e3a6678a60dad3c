-- resty.openssl.x509.extension: one extension.
local native = require "resty.openssl.native"
local objects = require "resty.openssl.objects"

local concat = table.concat
local getmetatable, ipairs, pairs, setmetatable, tostring, type =
  getmetatable, ipairs, pairs, setmetatable, tostring, type

local _M = {}
local mt = {
  __index = _M,
  __tostring = function(self)
    return self:tostring()
  end,
}

function _M._wrap(ctx)
  return ctx and setmetatable({ ctx = ctx }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

-- Values given as a table go into sections of a configuration.
local function configuration(value)
  if type(value) ~= "table" then
    return value, nil
  end
  if value[1] then
    return concat(value, ","), nil
  end
  local lines = { "[default]" }
  for name, item in pairs(value) do
    lines[#lines + 1] = name .. "=" .. tostring(item)
  end
  return "@default", concat(lines, "\n") .. "\n"
end

function _M.new(name, value, data)
  if value == nil or name == nil then
    return nil, "x509.extension.new: expect a string or number at #1 and a value at #2"
  end
  local nid, err = objects.txtnid2nid(name)
  if not nid then
    return nil, "x509.extension.new: " .. err
  end
  local entry = objects.nid2table(nid)
  local config
  if type(data) == "string" then
    config, data = data, nil
  end
  local text, made = configuration(value)
  local holders
  if type(data) == "table" then
    holders = {}
    for _, kind in ipairs { "issuer", "subject", "request", "crl" } do
      holders[kind] = data[kind] and data[kind].ctx
    end
    config = config or data.db
  end
  local ctx
  ctx, err = native.ext(entry.sn, text, config or made, holders or false)
  if not ctx then
    return nil, err
  end
  return _M._wrap(ctx)
end

function _M.from_der(value, name, critical)
  local known = type(name) == "number" and objects.nid2table(name).sn or name
  local ctx, err = native.ext_of_der(value, known, critical)
  if not ctx then
    return nil, err
  end
  return _M._wrap(ctx)
end

function _M.from_data(value, name, critical)
  if type(value) == "table" and value.ext then
    local made, err = _M.new(name, value:ext())
    if made and critical then
      made:set_critical(true)
    end
    return made, err
  end
  return nil, "x509.extension.from_data: unsupported type " .. type(value)
end

function _M.dup(other)
  local facts = native.ext_facts(other.ctx)
  return _M.from_der(facts.data, facts.sn, facts.critical)
end

function _M:get_object()
  local facts = native.ext_facts(self.ctx)
  return { nid = facts.nid, id = facts.id, sn = facts.sn, ln = facts.ln }
end

function _M:get_extension_nid()
  return native.ext_facts(self.ctx).nid
end

function _M:get_critical()
  return native.ext_facts(self.ctx).critical
end

function _M:set_critical(critical)
  return native.ext_set_critical(self.ctx, critical ~= false)
end

function _M:to_der()
  return native.ext_facts(self.ctx).data
end

function _M:text()
  return native.ext_text(self.ctx)
end

_M.tostring = _M.text

return _M
