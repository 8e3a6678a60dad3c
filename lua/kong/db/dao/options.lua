--- Arguments of the DAO: their types, which are the caller's business, and options, which may come from a
-- client.

local iteration = require "kong.db.iteration"
local table_tools = require "kong.tools.table"
local uuid = require "kong.tools.uuid"

local null = ngx.null
local concat, floor, fmt, match = table.concat, math.floor, string.format, string.match
local error, ipairs, next, pairs, tostring, type = error, ipairs, next, pairs, tostring, type

-- Seconds that an entity may live: as long as a database can count.
local MAX_TTL = 100000000
local MAX_TAGS = 5
-- Bytes that tags may have: no control characters, no comma and no slash.
local TAG_BYTES = "^[ \033-\043\045\046\048-\126\128-\244]+$"
local TABLES = { array = true, set = true, map = true, record = true, foreign = true }
local TYPES = { string = "string", number = "number", integer = "number", boolean = "boolean" }

local _M = {}


--- Throws, in the name of the method's caller, unless a value has a type.
function _M.expect(value, kind, name)
  if type(value) ~= kind then
    error(fmt("%s must be a %s", name, kind), 3)
  end
end


--- The same for options, which may be absent.
function _M.expect_options(options)
  if options ~= nil and type(options) ~= "table" then
    error("options must be a table when specified", 3)
  end
end


--- The same for the value of a unique field.
function _M.expect_unique(value, name, field)
  local kind = TABLES[field.type] and "table" or TYPES[field.type]
  if kind and type(value) ~= kind then
    error(fmt("%s must be a %s", name, kind), 4)
  end
end


local function is_integer(value)
  return type(value) == "number" and floor(value) == value
end


local function wrong_workspace(options)
  local workspace = options.workspace
  if workspace == nil or workspace == null then
    return nil
  elseif type(workspace) ~= "string" then
    return "must be a string or null"
  elseif not uuid.is_valid_uuid(workspace) then
    local known = kong.db.workspaces:select_by_name(workspace)
    if not known then
      return "invalid workspace"
    end
    options.workspace = known.id
  end
end


local function wrong_ttl(schema, ttl)
  if ttl == nil then
    return nil
  elseif schema.ttl ~= true then
    return fmt("cannot be used with '%s'", schema.name)
  elseif not is_integer(ttl) or ttl < 0 or ttl > MAX_TTL then
    return "must be an integer between 0 and " .. MAX_TTL
  end
end


-- What is wrong with `tags`, and with `tags_cond`.
local function wrong_tags(schema, tags, condition)
  if tags == nil then
    return nil
  elseif schema.fields.tags == nil then
    return fmt("cannot be used with '%s'", schema.name)
  elseif type(tags) ~= "table" then
    -- without a condition the text could not be read as a list
    return condition and "must be a table" or "invalid filter syntax"
  elseif #tags > MAX_TAGS then
    return "cannot query more than " .. MAX_TAGS .. " tags"
  elseif not match(concat(tags), TAG_BYTES) then
    return "must only contain printable ascii (except `,` and `/`) or valid utf-8"
  elseif #tags > 1 and condition ~= "and" and condition ~= "or" then
    return nil, "must be a either 'and' or 'or' when more than one tag is specified"
  end
end


local function wrong_pagination(pagination, defaults)
  if pagination == nil then
    return nil
  elseif type(pagination) ~= "table" then
    return "must be a table"
  end
  local wrong = {}
  local size, max = pagination.page_size, pagination.max_page_size
  if max ~= nil and (not is_integer(max) or max < 1) then
    wrong.max_page_size = type(max) ~= "number" and "must be a number" or "must be an integer greater than 0"
    max = nil
  end
  max = max or defaults.max_page_size
  if size ~= nil and type(size) ~= "number" then
    wrong.page_size = "must be a number"
  elseif size ~= nil and not iteration.is_size(size, max) then
    wrong.page_size = fmt("must be an integer between 1 and %d", max)
  end
  return next(wrong) and wrong or nil
end


-- What is wrong with options, by name; nil when nothing is.
local function wrong_options(dao, options)
  if options == nil then
    return nil
  end
  local schema = dao.schema
  local errors = {
    workspace = wrong_workspace(options),
    ttl = wrong_ttl(schema, options.ttl),
    pagination = wrong_pagination(options.pagination, dao.pagination),
  }
  errors.tags, errors.tags_cond = wrong_tags(schema, options.tags, options.tags_cond)
  if options.show_ws_id and type(options.show_ws_id) ~= "boolean" then
    errors.show_ws_id = "must be a boolean"
  end
  for _, flag in ipairs { "transform", "export", "skip_ttl" } do
    if options[flag] ~= nil and type(options[flag]) ~= "boolean" then
      errors[flag] = "must be a boolean"
    end
  end
  return next(errors) and errors or nil
end


--- Whether options are right; else nil and the error, as text and as a table.
function _M.check(dao, options)
  local errors = wrong_options(dao, options)
  if not errors then
    return true
  end
  local err_t = dao.errors:invalid_options(errors)
  return nil, tostring(err_t), err_t
end


--- Options with the page sizes that hold, given or default; a copy.
function _M.with_pagination(dao, options)
  if options == nil then
    return { pagination = dao.pagination }
  end
  options = table_tools.cycle_aware_deep_copy(options, true)
  local pagination = {}
  for name, value in pairs(dao.pagination) do
    pagination[name] = value
  end
  if type(options.pagination) == "table" then
    for name, value in pairs(options.pagination) do
      pagination[name] = value
    end
  end
  options.pagination = pagination
  return options
end


return _M
