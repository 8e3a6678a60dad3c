-- Memberships are cached as one list for each consumer: a change of one of them ends the list.

local type = type

local Acls = {}


function Acls:post_crud_event(operation, entity, options)
  local owner = entity.consumer
  -- Commands that write entities have no cache.
  if kong.cache and type(owner) == "table" then
    local local_only = options and options.no_broadcast_crud_event
    local invalidate = local_only and kong.cache.invalidate_local or kong.cache.invalidate
    invalidate(kong.cache, self:cache_key(owner.id))
  end
  return self.super.post_crud_event(self, operation, entity, options)
end


return Acls
