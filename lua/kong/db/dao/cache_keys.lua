--- The keys by which caches know entities.

local null = ngx.null
local concat, error, tostring, type = table.concat, error, tostring, type

-- Parts of a key between the kind's name and the workspace.
local PARTS = 5

local _M = {}


-- The text of a part that was given as it is.
local function given(part)
  return (part == nil or part == null) and "" or tostring(part)
end


-- The text of an entity's field: itself, or the id of the entity it points to; nil where there is none.
local function text_of(entity, name, fields)
  local value = entity[name]
  if type(value) == "table" and fields[name].type == "foreign" then
    value = value.id
  end
  if value ~= nil and value ~= null then
    return tostring(value)
  end
end


-- Puts the texts of these fields in their places; tells whether there was one.
local function collect(texts, entity, names, fields)
  local found = false
  for i = 1, #names do
    local text = text_of(entity, names[i], fields)
    texts[i + 1] = text or ""
    found = found or text ~= nil
  end
  return found
end


--- The key of an entity, of its cache key's fields or, where all of these are absent, of its primary key;
-- or the key of up to five parts that are given.
function _M.cache_key(self, key, arg2, arg3, arg4, arg5, ws_id)
  local schema = self.schema
  if (ws_id == nil or ws_id == null) and schema.workspaceable then
    ws_id = kong.default_workspace
  end
  if type(key) == "string" then
    return schema.name .. ":" .. key .. ":" .. given(arg2) .. ":" .. given(arg3) .. ":" .. given(arg4) .. ":"
           .. given(arg5) .. ":" .. given(ws_id)
  elseif type(key) ~= "table" then
    error("key must be a string or an entity table", 2)
  end

  if schema.workspaceable and key.ws_id ~= nil and key.ws_id ~= null then
    ws_id = key.ws_id
  end
  local texts = { schema.name, "", "", "", "", "", given(ws_id) }
  if not (schema.cache_key and collect(texts, key, schema.cache_key, schema.fields)) then
    for i = 2, PARTS + 1 do
      texts[i] = ""
    end
    collect(texts, key, schema.primary_key, schema.fields)
  end
  return concat(texts, ":")
end


return _M
