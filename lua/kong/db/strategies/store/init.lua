--- Rows of a database: each call is put to the host, which asks the store and lets the caller wait.

local cjson = require "kong.tools.cjson"
local clone = require "table.clone"
local native = require "kong.native"

local ipairs, setmetatable, type = ipairs, setmetatable, type
local encode, null = cjson.encode, ngx.null

local Store = {}


-- ---- questions ------------------------------------------------------------------------------

local function workspace_of(self, options)
  if not self.schema.workspaceable then
    return nil
  end
  local workspace = options and options.workspace
  if workspace == nil then
    return self.workspaces.get_workspace_id() or kong.default_workspace
  elseif workspace == null then
    return nil
  end
  return workspace
end


-- What all questions have in common.
local function question(self, options)
  return {
    kind = self.name,
    workspace = workspace_of(self, options),
    skip_ttl = options and options.skip_ttl or nil,
    export = options and options.export or nil,
  }
end


local function wants_nulls(options)
  return options ~= nil and options.nulls == true
end


-- What the host answered, its error as one of ours.
local function answer(self, found, err, ...)
  if err then
    return nil, self.errors:of(err)
  end
  return found, nil, ...
end


-- ---- reading --------------------------------------------------------------------------------

function Store:select(primary_key, options)
  local asked = question(self, options)
  asked.key = self.schema:extract_pk_values(primary_key)
  return answer(self, native.store_find(encode(asked), wants_nulls(options)))
end


function Store:select_by_field(field, value, options)
  local asked = question(self, options)
  asked.field, asked.value = field, value
  return answer(self, native.store_find(encode(asked), wants_nulls(options)))
end


local function page(self, size, offset, options, field, key)
  local asked = question(self, options)
  asked.size = size or self.connector:get_page_size(options)
  asked.offset, asked.field, asked.key = offset, field, key
  if options and options.tags then
    asked.tags, asked.tags_cond = options.tags, options.tags_cond
  end
  return answer(self, native.store_page(encode(asked), wants_nulls(options)))
end


function Store:page(size, offset, options)
  if self.name == "tags" then
    return self:page_by_tag(nil, size, offset)
  end
  return page(self, size, offset, options)
end


-- Of the kind `tags`: the entities that have one, or any.
function Store:page_by_tag(tag, size, offset)
  return answer(self, native.store_page_tags(encode { tag = tag, size = size or 1000, offset = offset }))
end


-- ---- writing --------------------------------------------------------------------------------

-- An entity that names others by nothing but their primary keys, as they are stored.
local function referring(schema, entity)
  local copy
  for name, field in schema:each_field() do
    local other = field.type == "foreign" and field.schema and entity[name]
    if type(other) == "table" then
      copy = copy or clone(entity)
      copy[name] = field.schema:extract_pk_values(other)
    end
  end
  return copy or entity
end


local function write(self, verb, asked, entity, options)
  asked.verb, asked.ttl = verb, options and options.ttl
  asked.entity = entity and referring(self.schema, entity)
  return answer(self, native.store_write(encode(asked), true))
end


function Store:insert(entity, options)
  return write(self, "insert", question(self, options), entity, options)
end


for _, verb in ipairs { "update", "upsert", "delete" } do
  Store[verb] = function(self, primary_key, entity, options)
    if verb == "delete" then
      entity, options = nil, entity
    end
    local asked = question(self, options)
    asked.key = self.schema:extract_pk_values(primary_key)
    return write(self, verb, asked, entity, options)
  end

  Store[verb .. "_by_field"] = function(self, field, value, entity, options)
    if verb == "delete" then
      entity, options = nil, entity
    end
    local asked = question(self, options)
    asked.field, asked.value = field, value
    return write(self, verb, asked, entity, options)
  end
end


function Store:truncate()
  return answer(self, native.store_truncate(self.name))
end


-- Also `page_for_<field>`, for each field that points to another entity.
local mt = {
  __index = function(_, name)
    local method = Store[name]
    local field = not method and type(name) == "string" and name:match("^page_for_(.+)$")
    if field then
      return function(self, foreign_key, size, offset, options)
        return page(self, size, offset, options, field, foreign_key)
      end
    end
    return method
  end,
}


local _M = {}


--- The rows of one kind of entity.
function _M.new(connector, schema, errors)
  return setmetatable({
    connector = connector, schema = schema, name = schema.name, errors = errors,
    workspaces = require "kong.workspaces",
  }, mt)
end


return _M
