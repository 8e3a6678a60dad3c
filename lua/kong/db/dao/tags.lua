--- Tags are what entities say they have; nobody writes them on their own.

local cjson = require "cjson"

local ipairs, setmetatable, tostring, type = ipairs, setmetatable, tostring, type

local _M = {}


--- A page of the entities with a tag.
function _M:page_by_tag(tag, size, offset, options)
  local ok, err = self.schema:validate_field(self.schema.fields.tag, tag)
  if not ok then
    local err_t = self.errors:invalid_unique("tag", err)
    return nil, tostring(err_t), err_t
  end
  local rows, err_t, next_offset = self.strategy:page_by_tag(tag, size, offset, options)
  if err_t then
    return nil, tostring(err_t), err_t
  end
  return type(rows) == "table" and setmetatable(rows, cjson.array_mt), nil, nil, next_offset
end


for _, write in ipairs { "insert", "update", "upsert", "delete" } do
  _M[write] = function(self)
    local err_t = self.errors:schema_violation {
      tags = "does not support insert/upsert/update/delete operations",
    }
    return nil, tostring(err_t), err_t
  end
end


return _M
