--- Rows without a database: reads answer from the configuration that the current request is served
-- under, writes are refused.

local native = require "kong.native"

local fmt, ipairs, setmetatable, tostring, type = string.format, ipairs, setmetatable, tostring, type
local concat = table.concat

local Off = {}


-- The part of a key that a value gives: itself, or the id of the entity it points to.
local function part(value)
  if value == nil or value == ngx.null then
    return ""
  elseif type(value) == "table" then
    return part(value.id)
  end
  return tostring(value)
end


local function wants_nulls(options)
  return options ~= nil and options.nulls == true
end


function Off:select(primary_key, options)
  local parts = {}
  for i, name in ipairs(self.schema.primary_key) do
    parts[i] = part(primary_key[name])
  end
  return native.db_select(self.name, concat(parts, ":"), wants_nulls(options))
end


function Off:select_by_field(field, value, options)
  if field == "cache_key" then
    return native.db_select_by_cache_key(self.name, value, wants_nulls(options))
  end
  return native.db_select_by(self.name, field, part(value), wants_nulls(options))
end


local function page(self, size, offset, options, field, key)
  local tags, condition
  if options and options.tags then
    tags, condition = options.tags, options.tags_cond
  end
  local rows, next_offset = native.db_page(self.name, size, offset, field, key, tags, condition,
                                           wants_nulls(options))
  if not rows then
    return nil, self.errors:invalid_offset(offset, "bad base64 encoding")
  end
  return rows, nil, next_offset
end


function Off:page(size, offset, options)
  return page(self, size, offset, options)
end


local VERBS = { insert = "create", update = "update", upsert = "create or update", delete = "remove" }

-- Writes by key and by a unique field.
for method, verb in pairs(VERBS) do
  Off[method] = function(self)
    return nil, self.errors:operation_unsupported(
      fmt("cannot %s '%s' entities when not using a database", verb, self.name))
  end
  Off[method .. "_by_field"] = function(self, field)
    return nil, self.errors:operation_unsupported(
      fmt("cannot %s '%s' entities by '%s' when not using a database", verb, self.name, field))
  end
end


function Off.truncate()
  return true
end


-- Also `page_for_<field>`, for each field that points to another entity.
local mt = {
  __index = function(_, name)
    local method = Off[name]
    local field = not method and type(name) == "string" and name:match("^page_for_(.+)$")
    if field then
      return function(self, foreign_key, size, offset, options)
        return page(self, size, offset, options, field, part(foreign_key))
      end
    end
    return method
  end,
}


--- The rows of one kind of entity.
function Off.new(connector, schema, errors)
  return setmetatable({ connector = connector, schema = schema, name = schema.name, errors = errors }, mt)
end


return Off
