--- What handlers of the Admin API are run with: parameters, errors, schemas as JSON.

local Errors = require "kong.db.errors"
local application = require "lapis.application"
local cjson = require "cjson"
local decoding = require "kong.api.decoding"

local huge = math.huge
local insert, ipairs, next, pairs, setmetatable, type = table.insert, ipairs, next, pairs, setmetatable, type
local codes = Errors.codes

local UNEXPECTED = "An unexpected error occurred"

local _M = {
  -- The third argument of handlers.
  handler_helpers = { yield_error = application.yield_error },
}


-- ---- errors that handlers leave with ----------------------------------------------------------

local STATUS = {
  [codes.SCHEMA_VIOLATION] = 400, [codes.INVALID_PRIMARY_KEY] = 400, [codes.FOREIGN_KEY_VIOLATION] = 400,
  [codes.INVALID_OFFSET] = 400, [codes.FOREIGN_KEYS_UNRESOLVED] = 400, [codes.NOT_FOUND] = 404,
  [codes.OPERATION_UNSUPPORTED] = 405, [codes.PRIMARY_KEY_VIOLATION] = 409, [codes.UNIQUE_VIOLATION] = 409,
}


local function unexpected(err)
  kong.log.err(err)
  return kong.response.exit(500, { message = UNEXPECTED })
end


--- Answers with the error of a store.
function _M.on_store_error(self)
  local err = self.errors[1]
  local status = type(err) == "table" and STATUS[err.code]
  if not status then
    return unexpected(err)
  end
  err.strategy = nil
  return kong.response.exit(status, err)
end


--- Answers with the error of endpoints without a schema, which may have the form of Kong before 1.0.
function _M.on_error(self)
  local err = self.errors[1]
  if type(err) ~= "table" then
    return unexpected(err)
  elseif err.name then
    return _M.on_store_error(self)
  elseif err.db then
    return unexpected(err.message)
  elseif err.unique then
    return kong.response.exit(409, err.tbl)
  elseif err.foreign then
    return kong.response.exit(404, err.tbl or { message = "Not found" })
  end
  return kong.response.exit(400, err.tbl or err.message)
end


-- ---- parameters -------------------------------------------------------------------------------

--- Parameters as a tree: `a.b` is a field of a table, `a[1]` an element of a list.
function _M.normalize_nested_params(params)
  local plain = {}
  for name, value in pairs(params) do
    if type(value) == "table" and value.content then
      value = value.content -- a part of a multipart form
    elseif type(value) == "table" then
      value = _M.normalize_nested_params(value)
    end
    plain[name] = value
  end
  return decoding.nested(plain)
end


-- ---- kinds of routes --------------------------------------------------------------------------

--- Whether an `api.lua` is of the style whose endpoints have schemas.
function _M.is_new_db_routes(routes)
  for _, endpoint in pairs(routes) do
    if type(endpoint) == "table" then
      return endpoint.schema
    end
  end
end


-- ---- schemas as JSON --------------------------------------------------------------------------

local jsonable_fields


local function jsonable_number(number)
  if number ~= number then
    return "nan"
  elseif number == huge or number == -huge then
    return number > 0 and "inf" or "-inf"
  end
  return number
end


-- A field's attributes without functions; a table whose keys are numbers becomes a list.
local function jsonable(attributes)
  local out = {}
  local is_list = #attributes > 0 or next(attributes) == nil
  for name, value in pairs(attributes) do
    if type(value) == "table" then
      if name == "schema" then
        out[name] = _M.schema_to_jsonable(value)
      elseif name == "fields" and attributes.type == "record" then
        out[name] = jsonable_fields(value)
      else
        out[name] = jsonable(value)
      end
    elseif type(value) == "number" then
      out[name] = jsonable_number(value)
    elseif type(value) ~= "function" then
      out[name] = value
    end
  end
  return is_list and setmetatable(out, cjson.array_mt) or out
end


function jsonable_fields(fields)
  local out = setmetatable({}, cjson.array_mt)
  for _, entry in ipairs(fields) do
    local name, attributes = next(entry)
    insert(out, { [name] = jsonable(attributes) })
  end
  return out
end


--- A schema as the Admin API shows it.
function _M.schema_to_jsonable(schema)
  return {
    entity_checks = jsonable_fields(schema.entity_checks or {}),
    fields = jsonable_fields(schema.fields),
  }
end


return _M
