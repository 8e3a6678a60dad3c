--- What happens when entities were written to the database: caches drop what they hold of them, and who asked
-- for it is told.
--
-- The host calls `invalidate` once, in one VM, before a write is answered, and `tell` in every worker. An
-- event has `kind`, `operation` ("create", "update", "delete"), `entity` and, after an update, `old_entity`.

local CACHES = require("kong.constants").ENTITY_CACHE_STORE
local native = require "kong.native"
local versions = require "kong.runloop.versions"

local concat, ipairs, match, pcall, rawget, select, tostring =
  table.concat, ipairs, string.match, pcall, rawget, select, tostring
local null = ngx.null

local _M = {}


-- Drops what is cached of a kind under a key, here and in all nodes; plugins of this node may have put it
-- into the other cache.
local function drop_key(kind, key)
  local store = CACHES[kind] or "cache"
  kong[store]:invalidate(key)
  kong[store == "cache" and "core_cache" or "cache"]:invalidate_local(key)
end


-- The same for the keys of an entity as it is and as it was.
local function drop(kind, dao, entity, old_entity)
  local key = dao:cache_key(entity)
  local old_key = old_entity and dao:cache_key(old_entity) or key
  drop_key(kind, key)
  if old_key ~= key then
    drop_key(kind, old_key)
  end
end


-- What Kong nodes on the same database are told beside the keys of caches, by kind.
local SENT = {
  routes = function()
    kong.core_cache:invalidate("router:version")
  end,
  services = function(event)
    if event.operation == "update" then
      kong.core_cache:invalidate("router:version")
    end
  end,
  plugins = function()
    kong.core_cache:invalidate("plugins_iterator:version")
  end,
  snis = function(event)
    for _, entity in ipairs { event.entity, event.old_entity } do
      kong.core_cache:invalidate("snis:" .. entity.name)
    end
  end,
  upstreams = function(event)
    local upstream = event.entity
    kong.cluster_events:broadcast("balancer:upstreams", concat({
      event.operation, upstream.ws_id or kong.default_workspace, upstream.id, upstream.name }, ":"))
  end,
  targets = function(event)
    kong.cluster_events:broadcast("balancer:targets", event.operation .. ":" .. event.entity.upstream.id)
  end,
}


-- *Kong parity*: consumers are also cached by their names.
local function drop_names(dao, ...)
  for i = 1, select("#", ...) do
    local entity = select(i, ...)
    local name = entity and entity.username
    if name and name ~= null and name ~= "" then
      drop_key("consumers", dao:cache_key(name))
    end
  end
end


-- What the kind's own author does on changes; the plain method would only tell the event again.
local function hook_of(dao)
  local own = rawget(dao, "post_crud_event")
  return own ~= dao.super.post_crud_event and own or nil
end


local function invalidate(event)
  local dao = kong.db[event.kind]
  if not dao then
    return
  end
  drop(event.kind, dao, event.entity, event.old_entity)
  if event.kind == "consumers" then
    drop_names(dao, event.old_entity, event.entity)
  end
  local sent = SENT[event.kind]
  if sent then
    sent(event)
  end
  local hook = hook_of(dao)
  if hook then
    hook(dao, event.operation, event.entity, event.old_entity)
  end
end


--- Notes what is known once the database is: which workspace is the default one.
function _M.start()
  kong.default_workspace = native.default_workspace()
end


--- Drops what caches hold of changed entities.
function _M.invalidate(events)
  for _, event in ipairs(events) do
    versions.touch(event.kind)
    local ok, err = pcall(invalidate, event)
    if not ok then
      ngx.log(ngx.ERR, "[db] caches may hold what ", event.kind, " were: ", tostring(err))
    end
  end
end


--- Drops what other nodes say is outdated.
function _M.forget(keys)
  for _, key in ipairs(keys) do
    versions.touch(match(key, "^[^:]*"))
    kong.core_cache:invalidate_local(key)
    kong.cache:invalidate_local(key)
  end
end


--- Empties the caches.
function _M.purge()
  versions.touch_all()
  kong.cache:purge()
  kong.core_cache:purge()
end


--- Tells those who asked for events of entities.
function _M.tell(events)
  for _, event in ipairs(events) do
    local dao = kong.db[event.kind]
    local data = { operation = event.operation, entity = event.entity, old_entity = event.old_entity,
                   schema = dao and dao.schema }
    kong.worker_events.post_local("dao:crud", event.operation, data)
    kong.worker_events.post_local("crud", event.kind, data)
    kong.worker_events.post_local("crud", event.kind .. ":" .. event.operation, data)
  end
end


return _M
