--- Handlers for endpoints of entities, as the Admin API has them and as plugins' `api.lua` make them.
--
-- `schema` is that of the entities an endpoint is about; `foreign_schema`, where given, that of the
-- entities at the other end of the foreign field `field`; `is_parent` says that these are pointed to.

local Errors = require "kong.db.errors"
local application = require "lapis.application"
local http = require "kong.tools.http"
local queries = require "kong.api.queries"
local uuid = require "kong.tools.uuid"

local kong, null = kong, ngx.null
local concat, fmt, ipairs, pairs, select, tostring, type =
  table.concat, string.format, ipairs, pairs, select, tostring, type
local escape_uri = ngx.escape_uri
local codes = Errors.codes
local select_entity, update_entity, upsert_entity, delete_entity, insert_entity, page_collection =
  queries.select_entity, queries.update_entity, queries.upsert_entity, queries.delete_entity,
  queries.insert_entity, queries.page_collection

local STATUS = {
  [codes.UNIQUE_VIOLATION] = 409, [codes.NOT_FOUND] = 404, [codes.OPERATION_UNSUPPORTED] = 405,
  [codes.DATABASE_ERROR] = 500,
}
for _, name in ipairs { "INVALID_PRIMARY_KEY", "SCHEMA_VIOLATION", "PRIMARY_KEY_VIOLATION",
                        "FOREIGN_KEY_VIOLATION", "INVALID_OFFSET", "INVALID_SIZE", "INVALID_UNIQUE",
                        "INVALID_OPTIONS", "FOREIGN_KEYS_UNRESOLVED", "REFERENCED_BY_OTHERS" } do
  STATUS[codes[name]] = 400
end


-- ---- answers --------------------------------------------------------------------------------

-- A body: a table as it is, texts joined to a message.
local function body_of(default, ...)
  local count = select("#", ...)
  local first = ...
  local message
  if count == 1 then
    message = type(first) == "table" and first or first ~= nil and tostring(first) or nil
  elseif count > 1 then
    local parts = { ... }
    for i = 1, count do
      parts[i] = tostring(parts[i])
    end
    message = concat(parts)
  end
  message = message or default
  return type(message) == "string" and { message = message } or message
end


local function ok(entity)
  return kong.response.exit(200, body_of(nil, entity))
end


local function not_found(...)
  return kong.response.exit(404, body_of("Not found", ...))
end


local function handle_error(err_t)
  if type(err_t) ~= "table" then
    kong.log.err(err_t)
    return kong.response.exit(500, { message = "An unexpected error occurred" })
  end
  err_t.strategy = nil
  local status = STATUS[err_t.code]
  if not status or status == 500 then
    return application.yield_error(err_t)
  elseif err_t.code == codes.OPERATION_UNSUPPORTED then
    return kong.response.exit(status, err_t)
  end
  return kong.response.exit(status, http.get_default_exit_body(status, err_t))
end


-- What a query answered; its errors and its absence end the call.
local function found(entity, _, err_t)
  if err_t then
    return handle_error(err_t)
  elseif not entity then
    return not_found()
  end
  return entity
end


-- ---- relations --------------------------------------------------------------------------------

local function is_absent(key)
  return not key or key == null
end


-- Ends the call unless an entity's foreign field points to this key.
local function expect_parent(schema, entity, field, key)
  local foreign = entity[field]
  if is_absent(foreign) then
    return not_found()
  end
  foreign = schema:extract_pk_values(foreign)
  for name, value in pairs(key) do
    if foreign[name] ~= value then
      return not_found()
    end
  end
end


-- Lets the path mean the entity that the foreign field of `entity` points to.
local function follow(self, entity, foreign_schema, field)
  local key = entity[field]
  if is_absent(key) then
    return not_found()
  end
  self.params[foreign_schema.name] = key
end


-- The path of a list, for the link to its next page.
local function segment(schema)
  return schema.admin_api_name or schema.name
end


local function nested(schema)
  return schema.admin_api_nested_name or segment(schema)
end


-- ---- collections ------------------------------------------------------------------------------

local function next_query(args, offset)
  local tags, size = "", ""
  if args.tags then
    tags = "&tags=" .. escape_uri(type(args.tags) == "table" and args.tags[1] or args.tags)
  end
  if args.size then
    size = "&size=" .. args.size
  end
  return function(next_offset)
    return fmt("?offset=%s%s%s", escape_uri(next_offset or offset), tags, size)
  end
end


local function get_collection_endpoint(schema, foreign_schema, foreign_field_name, method)
  if not foreign_schema then
    return function(self, db)
      local query_for = next_query(self.args.uri)
      local data, _, err_t, offset = page_collection(self, db, schema, method)
      if err_t then
        return handle_error(err_t)
      end
      local link = offset and "/" .. segment(schema) .. query_for(offset) or null
      return ok { data = data, offset = offset, next = link }
    end
  end

  return function(self, db)
    local parent = found(select_entity(self, db, foreign_schema))
    self.params[schema.name] = foreign_schema:extract_pk_values(parent)
    local data, _, err_t, offset =
      page_collection(self, db, schema, method or "page_for_" .. foreign_field_name)
    if err_t then
      return handle_error(err_t)
    end
    local link = offset and fmt("/%s/%s/%s?offset=%s", segment(foreign_schema),
                                self.params[foreign_schema.name], nested(schema), escape_uri(offset)) or null
    return ok { data = data, offset = offset, next = link }
  end
end


local function post_collection_endpoint(schema, foreign_schema, foreign_field_name, method)
  return function(self, db, _, post_process)
    if foreign_schema then
      local parent = found(select_entity(self, db, foreign_schema))
      self.args.post[foreign_field_name] = foreign_schema:extract_pk_values(parent)
    end
    local entity, _, err_t = insert_entity(self, db, schema, method)
    if not err_t and post_process then
      entity, _, err_t = post_process(entity)
    end
    if err_t then
      return handle_error(err_t)
    end
    return kong.response.exit(201, body_of(nil, entity))
  end
end


-- ---- entities ---------------------------------------------------------------------------------

-- The entity at the other end: the one that `entity` points to, or one that must point to `entity`.
local function other_end(self, db, entity, schema, foreign_schema, field, method, is_parent)
  if is_parent then
    follow(self, entity, foreign_schema, field)
    return found(select_entity(self, db, foreign_schema, method))
  end
  local other = found(select_entity(self, db, foreign_schema, method))
  expect_parent(schema, other, field, schema:extract_pk_values(entity))
  return other
end


local function get_entity_endpoint(schema, foreign_schema, field, method, is_parent)
  return function(self, db)
    if not foreign_schema then
      return ok(found(select_entity(self, db, schema, method)))
    end
    local entity = found(select_entity(self, db, schema))
    return ok(other_end(self, db, entity, schema, foreign_schema, field, method, is_parent))
  end
end


local function put_entity_endpoint(schema, foreign_schema, field, method, is_parent)
  return function(self, db)
    if not foreign_schema then
      return ok(found(upsert_entity(self, db, schema, method)))
    end
    local entity = found(select_entity(self, db, schema))
    local key = entity[field]
    local is_new = is_parent and is_absent(key)
    if is_parent then
      self.params[foreign_schema.name] = is_new and uuid.uuid() or key
    else
      self.args.post[field] = schema:extract_pk_values(entity)
    end

    local other = found(upsert_entity(self, db, foreign_schema, method))
    if is_new then
      local change = { [field] = foreign_schema:extract_pk_values(other) }
      local _, _, err_t = db[schema.name]:update(schema:extract_pk_values(entity), change)
      if err_t then
        return handle_error(err_t)
      end
    end
    return ok(other)
  end
end


local function patch_entity_endpoint(schema, foreign_schema, field, method, is_parent)
  return function(self, db)
    if not foreign_schema then
      return ok(found(update_entity(self, db, schema, method)))
    end
    local entity = found(select_entity(self, db, schema))
    if is_parent then
      follow(self, entity, foreign_schema, field)
    else
      local key = schema:extract_pk_values(entity)
      self.args.post[field] = self.args.post[field] or key
      expect_parent(schema, found(select_entity(self, db, foreign_schema)), field, key)
    end
    return ok(found(update_entity(self, db, foreign_schema, method)))
  end
end


local function delete_entity_endpoint(schema, foreign_schema, field, method, is_parent)
  return function(self, db)
    if foreign_schema then
      local entity = found(select_entity(self, db, schema))
      if is_parent then
        if is_absent(entity[field]) then
          return not_found()
        end
        return kong.response.exit(405, { message = "Method not allowed" })
      end
      other_end(self, db, entity, schema, foreign_schema, field)
    end
    local _, _, err_t = delete_entity(self, db, foreign_schema or schema, method)
    if err_t then
      return handle_error(err_t)
    end
    return kong.response.exit(204)
  end
end


-- ---- all endpoints of a kind ------------------------------------------------------------------

local function add_collection(endpoints, path, schema, ...)
  endpoints[path] = {
    schema = schema,
    methods = { GET = get_collection_endpoint(schema, ...), POST = post_collection_endpoint(schema, ...) },
  }
end


local function add_entity(endpoints, path, schema, foreign_schema, field, is_parent)
  endpoints[path] = {
    schema = foreign_schema or schema,
    methods = {
      GET = get_entity_endpoint(schema, foreign_schema, field, nil, is_parent),
      PUT = put_entity_endpoint(schema, foreign_schema, field, nil, is_parent),
      PATCH = patch_entity_endpoint(schema, foreign_schema, field, nil, is_parent),
      DELETE = delete_entity_endpoint(schema, foreign_schema, field, nil, is_parent),
    },
  }
end


local Endpoints = {
  -- Methods of an endpoint that is not there.
  disable = { before = function() return not_found() end },
  handle_error = handle_error,
  get_collection_endpoint = get_collection_endpoint,
  post_collection_endpoint = post_collection_endpoint,
  get_entity_endpoint = get_entity_endpoint,
  put_entity_endpoint = put_entity_endpoint,
  patch_entity_endpoint = patch_entity_endpoint,
  delete_entity_endpoint = delete_entity_endpoint,
}
for name, query in pairs(queries) do
  Endpoints[name] = query
end


--- Adds the endpoints of a kind, and of its relations, to a table by path.
function Endpoints.new(schema, endpoints)
  local own = fmt("/%s/:%s", segment(schema), schema.name)
  add_collection(endpoints, "/" .. segment(schema), schema)
  add_entity(endpoints, own, schema)
  for name, field in schema:each_field() do
    if field.type == "foreign" then
      local parent = field.schema
      local below = fmt("/%s/:%s/%s", segment(parent), parent.name, nested(schema))
      add_entity(endpoints, own .. "/" .. name, schema, parent, name, true)
      add_collection(endpoints, below, schema, parent, name)
      add_entity(endpoints, below .. "/:" .. schema.name, parent, schema, name)
    end
  end
  return endpoints
end


return Endpoints
