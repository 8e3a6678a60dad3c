--- From a call to the Admin API to the access to entities: keys, options, paging.

local arguments = require "kong.api.arguments"
local uuid = require "kong.tools.uuid"

local null = ngx.null
local find, gmatch, pairs, tonumber, type = string.find, string.gmatch, pairs, tonumber, type
local unescape_uri = ngx.unescape_uri

local PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
-- Printable ASCII but comma and slash, and bytes of UTF-8 beyond it.
local TAG = "[\032-\043\045\046\048-\126\128-\244]+"

local _M = {}


-- Whether text is a list of tags with a separator between them, perhaps one behind the last.
local function is_list(text, separator)
  return find(text .. separator, "^" .. TAG .. separator) ~= nil
         and find(text:gsub(TAG .. separator, ""), "^" .. TAG .. "$") ~= nil
         or find(text:gsub(TAG .. separator, ""), "^$") ~= nil and text ~= ""
end


local function split(text, separator)
  local parts = {}
  for part in gmatch(text, "[^" .. separator .. "]+") do
    parts[#parts + 1] = part
  end
  return parts
end


-- Takes the filter by tags out of arguments. Answers what is wrong with it.
local function take_tags(options, args)
  local tags = args.tags
  if tags == null or #tags == 0 then
    return "cannot be null"
  end
  tags = type(tags) == "table" and tags[1] or tags
  if is_list(tags, ",") then
    options.tags, options.tags_cond = split(tags, ","), "and"
  elseif is_list(tags, "/") then
    options.tags, options.tags_cond = split(tags, "/"), "or"
  else
    options.tags = tags
  end
  args.tags = nil
end


local WRITES = { insert = true, update = true, upsert = true }


--- Takes the options of an access out of arguments; or nil, what is wrong as text and as a table.
function _M.extract_options(db, args, schema, context)
  local options = {
    nulls = true,
    pagination = { page_size = PAGE_SIZE, max_page_size = MAX_PAGE_SIZE },
    workspace = kong.default_workspace,
  }
  if not (args and schema and context) then
    return options
  end
  if schema.ttl == true and args.ttl ~= nil and WRITES[context] then
    options.ttl, args.ttl = args.ttl, nil
  end
  if schema.fields.tags and args.tags ~= nil and context == "page" then
    local wrong = take_tags(options, args)
    if wrong then
      return nil, wrong, db[schema.name].errors:invalid_options { tags = wrong }
    end
  end
  return options
end


--- The size of a page that a call asks for; nil for the usual one.
function _M.get_page_size(args)
  if args.size == nil then
    return nil
  end
  local size = tonumber(args.size)
  if size == nil then
    return nil, "size must be a number"
  end
  return size
end


-- The key in the path: a primary key, or the value of the endpoint key and its field.
local function key_of(self, schema)
  local key = self.params[schema.name]
  if type(key) ~= "table" then
    key = key and { id = type(key) == "string" and unescape_uri(key) or key }
  end
  local field = key and key.id and not uuid.is_valid_uuid(key.id) and schema.endpoint_key
  if field then
    return arguments.infer_value(key.id, schema.fields[field]), field
  end
  return key
end


-- The accesses, by what they are for: dao, options and arguments in, entities or an error out.
local QUERIES = {}


function QUERIES.insert(_, dao, args, options, _, method)
  return dao[method or "insert"](dao, args, options)
end


function QUERIES.page(self, dao, args, options, schema, method)
  local size, err = _M.get_page_size(args)
  if err then
    return nil, err, dao.errors:invalid_size(err)
  elseif not method then
    return dao:page(size, args.offset, options)
  end
  local key = self.params[schema.name]
  if schema.name == "tags" then
    key = unescape_uri(key)
  end
  return dao[method](dao, key, size, args.offset, options)
end


for _, read in pairs { "select", "delete" } do
  QUERIES[read] = function(self, dao, _, options, schema, method)
    local key, field = key_of(self, schema)
    return dao[method or field and read .. "_by_" .. field or read](dao, key, options)
  end
end


for _, write in pairs { "update", "upsert" } do
  QUERIES[write] = function(self, dao, args, options, schema, method)
    local key, field = key_of(self, schema)
    return dao[method or field and write .. "_by_" .. field or write](dao, key, args, options)
  end
end


for context, query in pairs(QUERIES) do
  local name = context == "page" and "page_collection" or context .. "_entity"
  _M[name] = function(self, db, schema, method)
    local args = WRITES[context] and self.args.post or self.args.uri
    local options, err, err_t = _M.extract_options(db, args, schema, context)
    if err then
      return nil, err, err_t
    end
    return query(self, db[schema.name], args, options, schema, method)
  end
end


return _M
