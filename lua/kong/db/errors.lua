--- Errors of data access: tables with a code, a name and a message, which read as their message.

local pretty = require("pl.pretty").write

local null = ngx.null
local concat, fmt, sort, upper = table.concat, string.format, table.sort, string.upper
local error, getmetatable, ipairs, pairs, setmetatable, tostring, type =
  error, getmetatable, ipairs, pairs, setmetatable, tostring, type

-- Name of each error by its code; the codes are part of the Admin API.
local LIST = {
  { "INVALID_PRIMARY_KEY", "invalid primary key" },
  { "SCHEMA_VIOLATION", "schema violation" },
  { "PRIMARY_KEY_VIOLATION", "primary key violation" },
  { "FOREIGN_KEY_VIOLATION", "foreign key violation" },
  { "UNIQUE_VIOLATION", "unique constraint violation" },
  { "NOT_FOUND", "not found" },
  { "INVALID_OFFSET", "invalid offset" },
  { "DATABASE_ERROR", "database error" },
  { "INVALID_SIZE", "invalid size" },
  { "INVALID_UNIQUE", "invalid unique %s" },
  { "INVALID_OPTIONS", "invalid options" },
  { "OPERATION_UNSUPPORTED", "operation unsupported" },
  { "FOREIGN_KEYS_UNRESOLVED", "foreign keys unresolved" },
  { "DECLARATIVE_CONFIG", "invalid declarative configuration" },
  { "TRANSFORMATION_ERROR", "transformation error" },
  { "INVALID_FOREIGN_KEY", "invalid foreign key" },
  { "INVALID_WORKSPACE", "invalid workspace" },
  { "INVALID_UNIQUE_GLOBAL", "invalid global query" },
  { "REFERENCED_BY_OTHERS", "referenced by others" },
}

local codes, names = {}, {}
for code, entry in ipairs(LIST) do
  codes[entry[1]], names[code] = code, entry[2]
end

local Errors = { codes = codes, names = names }


-- ---- error values ---------------------------------------------------------------------------

local error_mt = {
  __tostring = function(err)
    local message = err.message
    if message == nil or message == null then
      message = err.name
    end
    return err.strategy and fmt("[%s] %s", err.strategy, message) or message
  end,
  __concat = function(a, b)
    return tostring(a) .. tostring(b)
  end,
}


local function copied(fields)
  local copy = {}
  for name, value in pairs(fields) do
    copy[name] = value
  end
  return copy
end


-- An error of this code; a message that is an error already stays as it is.
local function make(self, code, message, fields, name)
  if type(message) == "table" and getmetatable(message) == error_mt then
    return message
  end
  if not code then
    error("missing code")
  elseif not names[code] then
    error("unknown error code: " .. tostring(code))
  elseif message and type(message) ~= "string" then
    error("message must be a string or nil")
  elseif fields and type(fields) ~= "table" then
    error("errors must be a table or nil")
  end

  local err = { code = code, name = name or names[code], message = message or null, strategy = self.strategy }
  if fields then
    err[code == codes.INVALID_OPTIONS and "options" or "fields"] = copied(fields)
  end
  return setmetatable(err, error_mt)
end


local function expect(value, kind, name)
  if type(value) ~= kind then
    error(fmt("%s must be a %s", name, kind), 3)
  end
end


-- ---- trees of errors as one text -------------------------------------------------------------

local function sorted(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  sort(keys)
  return keys
end


-- One text for each error: those of the whole entity, then fields in the order of their names.
local function told(tree, show)
  local list = {}
  for _, message in pairs(tree["@entity"] or {}) do
    list[#list + 1] = message
  end
  for _, name in ipairs(sorted(tree)) do
    local errors = tree[name]
    if name ~= "@entity" and type(errors) ~= "table" then
      list[#list + 1] = fmt("%s: %s", name, errors)
    elseif name ~= "@entity" then
      for _, inner in ipairs(sorted(errors)) do
        list[#list + 1] = fmt("%s.%s: %s", name, inner, show(errors, inner))
      end
    end
  end
  return list
end


local function counted(list, single, several)
  if #list == 1 then
    return fmt("%s (%s)", single, list[1])
  end
  return fmt("%d %s (%s)", #list, several, concat(list, "; "))
end


local function shown(errors, name)
  local value = errors[name]
  return type(value) == "table" and pretty(value) or value
end


-- What a foreign key that was given by another field fails with; it takes the place of the request.
local function unresolved(errors, name)
  local wanted = errors[name]
  if type(wanted) == "table" then
    errors[name] = fmt("the foreign key cannot be resolved with '%s' for an existing '%s' entity",
                       pretty({ [wanted.name] = wanted.value }, ""), wanted.parent)
  end
  return errors[name]
end


-- ---- kinds of errors -------------------------------------------------------------------------

-- Errors about a key: the key is shown in the message and its parts are the fields.
local ABOUT_KEYS = {
  invalid_primary_key = { "primary_key", "invalid primary key: '%s'" },
  invalid_foreign_key = { "foreign_key", "invalid foreign key: '%s'" },
  primary_key_violation = { "primary_key", "primary key violation on key '%s'" },
  unique_violation = { "unique_key", "UNIQUE violation detected on '%s'" },
  not_found = { "primary_key", "could not find the entity with primary key '%s'" },
  not_found_by_field = { "filter", "could not find the entity with '%s'", "NOT_FOUND" },
  declarative_config = { "err_t", "declarative config is invalid: %s" },
}
for method, about in pairs(ABOUT_KEYS) do
  local code = codes[about[3] or upper(method)]
  Errors[method] = function(self, key)
    expect(key, "table", about[1])
    local literal = pretty(key, ""):gsub("\"userdata: NULL\"", "null")
    return make(self, code, fmt(about[2], literal), key)
  end
end


-- Errors that are a sentence of the store's own.
for method, required in pairs {
  invalid_size = true, operation_unsupported = true, referenced_by_others = true,
  database_error = false, transformation_error = false,
} do
  local code = codes[upper(method)]
  Errors[method] = function(self, err)
    if required then
      expect(err, "string", "err")
    end
    return make(self, code, err or names[code])
  end
end


function Errors:schema_violation(errors)
  expect(errors, "table", "errors")
  return make(self, codes.SCHEMA_VIOLATION,
              counted(told(errors, shown), "schema violation", "schema violations"), errors)
end


function Errors:invalid_options(errors)
  expect(errors, "table", "errors")
  return make(self, codes.INVALID_OPTIONS,
              counted(told(errors, shown), "invalid option", "option violations"), errors)
end


function Errors:foreign_keys_unresolved(errors)
  expect(errors, "table", "errors")
  return make(self, codes.FOREIGN_KEYS_UNRESOLVED,
              counted(told(errors, unresolved), "foreign key unresolved", "foreign keys unresolved"), errors)
end


function Errors:foreign_key_violation_invalid_reference(foreign_key, field, parent)
  expect(foreign_key, "table", "foreign_key")
  expect(field, "string", "foreign_key_field_name")
  expect(parent, "string", "parent_name")
  return make(self, codes.FOREIGN_KEY_VIOLATION,
              fmt("the foreign key '%s' does not reference an existing '%s' entity.",
                  pretty(foreign_key, ""), parent), { [field] = foreign_key })
end


function Errors:foreign_key_violation_restricted(parent, child)
  expect(parent, "string", "parent_name")
  expect(child, "string", "child_name")
  return make(self, codes.FOREIGN_KEY_VIOLATION,
              fmt("an existing '%s' entity references this '%s' entity", child, parent),
              { ["@referenced_by"] = child })
end


function Errors:invalid_offset(offset, err)
  expect(offset, "string", "offset")
  expect(err, "string", "err")
  return make(self, codes.INVALID_OFFSET, fmt("'%s' is not a valid offset: %s", offset, err))
end


function Errors:invalid_unique(name, err)
  expect(err, "string", "err")
  return make(self, codes.INVALID_UNIQUE, err, nil, fmt(names[codes.INVALID_UNIQUE], name))
end


function Errors:invalid_unique_global(name)
  expect(name, "string", "name")
  return make(self, codes.INVALID_UNIQUE_GLOBAL, fmt("unique key %s is invalid for global query", name))
end


function Errors:invalid_workspace(ws_id)
  expect(ws_id, "string", "ws_id")
  return make(self, codes.INVALID_WORKSPACE, fmt("invalid workspace '%s'", ws_id))
end


--- The error that the host answered: code, name, message and fields.
function Errors:of(err)
  return make(self, err.code, err.message, err.fields or err.options, err.name)
end


-- An instance also has the codes, and for each a method that makes an error with nothing but its name.
function Errors.__index(self, name)
  if codes[name] or Errors[name] then
    return codes[name] or Errors[name]
  end
  local code = type(name) == "string" and codes[upper(name)]
  if code then
    local method = function()
      return make(self, code)
    end
    self[name] = method
    return method
  end
end


-- Makes the errors of a store.
function Errors.new(strategy)
  return setmetatable({ strategy = strategy }, Errors)
end


return Errors
