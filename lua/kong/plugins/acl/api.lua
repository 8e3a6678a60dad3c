-- A consumer's membership goes by the group's name as well as by its own id.

local endpoints = require "kong.api.endpoints"
local uuid = require "kong.tools.uuid"

local kong, ngx = kong, ngx
local escape_uri, unescape_uri = ngx.escape_uri, ngx.unescape_uri


local function not_found()
  return kong.response.error(404)
end


-- The id of the consumer in the path, which may have its username.
local function consumer_id_of(self, db)
  local id = unescape_uri(self.params.consumers)
  if uuid.is_valid_uuid(id) then
    return id
  end
  local consumer, _, err_t = endpoints.select_entity(self, db, db.consumers.schema)
  if err_t then
    return endpoints.handle_error(err_t)
  end
  return consumer and consumer.id or not_found()
end


-- Puts the membership's id where the path has the group; a new one when it is about to be made.
local function resolve_group(self, db)
  local group = unescape_uri(self.params.acls)
  if uuid.is_valid_uuid(group) then
    return
  end
  local key = db.acls:cache_key(consumer_id_of(self, db), group)
  local membership, _, err_t = db.acls:select_by_cache_key(key)
  if err_t then
    return endpoints.handle_error(err_t)
  elseif not membership and self.req.method ~= "PUT" then
    return not_found()
  end
  self.params.acls = membership and escape_uri(membership.id) or uuid.uuid()
  self.params.group = group
end


local function put(self, _, _, parent)
  self.args.post.group = self.args.post.group or self.params.group
  return parent()
end


return {
  ["/consumers/:consumers/acls/:acls"] = { schema = kong.db.acls.schema, before = resolve_group, PUT = put },
}
