-- kong.db: the entities, one object for each kind.
--
-- Reads answer from the configuration that the current request is served under. Writes are refused
-- while there is no database.

local native = require "kong.native"

local ngx = ngx
local concat = table.concat
local error, ipairs, match, pairs, rawget, rawset, setmetatable, tostring, type =
  error, ipairs, string.match, pairs, rawget, rawset, setmetatable, tostring, type

local PAGE_SIZE, MAX_PAGE_SIZE = 1000, 1000

local dao = {}


-- The part of a key that a value gives: itself, or the id of the entity it points to.
local function part(value)
  if value == nil or value == ngx.null then
    return ""
  elseif type(value) == "table" then
    return part(value.id)
  end
  return tostring(value)
end


local function primary_key_text(self, key)
  if type(key) ~= "table" then
    error("primary_key must be a table", 3)
  end
  local parts = {}
  for i, name in ipairs(self.model.primary_key) do
    parts[i] = part(key[name])
  end
  return concat(parts, ":")
end


-- The key by which caches know an entity: of the entity, or of up to five parts of its key.
function dao:cache_key(key, arg2, arg3, arg4, arg5, ws_id)
  local model = self.model
  local a, b, c, d, e = key, arg2, arg3, arg4, arg5
  if type(key) == "table" then
    local cached = #model.cache_key > 0 and key[model.cache_key[1]] ~= nil
    local names = cached and model.cache_key or model.primary_key
    a, b, c, d, e = key[names[1]], key[names[2]], key[names[3]], key[names[4]], key[names[5]]
    ws_id = key.ws_id or ws_id
  end
  local workspace = model.workspaceable and (ws_id or kong.default_workspace) or ""
  return self.name .. ":" .. part(a) .. ":" .. part(b) .. ":" .. part(c) .. ":" .. part(d) .. ":" .. part(e)
         .. ":" .. part(workspace)
end


function dao:select(primary_key)
  return native.db_select(self.name, primary_key_text(self, primary_key))
end


function dao:select_by_cache_key(cache_key)
  return native.db_select_by_cache_key(self.name, cache_key)
end


local function tags_of(options)
  if options and options.tags then
    return options.tags, options.tags_cond
  end
end


function dao:page(size, offset, options)
  local tags, condition = tags_of(options)
  local rows, next_offset = native.db_page(self.name, size, offset, nil, nil, tags, condition)
  if not rows then
    return nil, next_offset
  end
  return rows, nil, nil, next_offset
end


-- Calls pages one after the other, row by row: the iterator of `each` and `each_for_…`.
local function rows_of(next_page)
  local rows, at, offset, err = {}, 0, nil, nil
  local done = false
  return function()
    at = at + 1
    while rows[at] == nil and not done do
      rows, err, offset = next_page(offset)
      if not rows then
        rows, done = {}, true
        return false, err
      end
      at, done = 1, offset == nil
    end
    return rows[at]
  end
end


function dao:each(size, options)
  return rows_of(function(offset)
    local rows, err, _, next_offset = self:page(size or PAGE_SIZE, offset, options)
    return rows, err, next_offset
  end)
end


-- ---- methods that are named after fields ----------------------------------------------------

local by_field = {}

by_field["^select_by_(.+)$"] = function(name, field)
  return function(_, value)
    return native.db_select_by(name, field, part(value))
  end
end

local function page_for(name, field)
  return function(_, foreign_key, size, offset, options)
    local tags, condition = tags_of(options)
    local rows, next_offset = native.db_page(name, size, offset, field, part(foreign_key), tags, condition)
    if not rows then
      return nil, next_offset
    end
    return rows, nil, nil, next_offset
  end
end

by_field["^page_for_(.+)$"] = page_for

by_field["^each_for_(.+)$"] = function(name, field)
  local page = page_for(name, field)
  return function(self, foreign_key, size, options)
    return rows_of(function(offset)
      local rows, err, _, next_offset = page(self, foreign_key, size or PAGE_SIZE, offset, options)
      return rows, err, next_offset
    end)
  end
end

for _, write in ipairs { "insert", "update", "upsert", "delete" } do
  dao[write] = function(self)
    return nil, native.db_refusal(write, self.name)
  end
  by_field["^" .. write .. "_by_(.+)$"] = function(name, field)
    return function()
      return nil, native.db_refusal(write, name, field)
    end
  end
end


local mt = {
  __index = function(self, method)
    local own = dao[method]
    if own then
      return own
    elseif method == "schema" then
      local schema = require("kong.db.schema").named(self.name)
      rawset(self, "schema", schema)
      return schema
    end
    for pattern, make in pairs(by_field) do
      local field = type(method) == "string" and match(method, pattern)
      if field then
        local made = make(self.name, field)
        rawset(self, method, made)
        return made
      end
    end
  end,
}


local function new_dao(name)
  local model = native.db_model(name)
  if not model then
    return nil
  end
  return setmetatable({
    name = name,
    model = model,
    pagination = { page_size = PAGE_SIZE, max_page_size = MAX_PAGE_SIZE },
  }, mt)
end


-- `kong.db`: objects are made when a kind is first asked for.
return {
  new = function(configuration)
    return setmetatable({
      strategy = configuration.database,
      daos = {},
      connector = { strategy = configuration.database, database = configuration.database },
    }, {
      __index = function(self, name)
        local daos = rawget(self, "daos")
        local found = daos[name] or new_dao(name)
        daos[name] = found
        return found
      end,
    })
  end,
}
