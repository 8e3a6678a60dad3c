--- `/cache`: what the caches of this node hold, looked at without loading it, and dropped.

local versions = require "kong.runloop.versions"

local kong = kong
local ipairs, type = ipairs, type


local function caches()
  return { kong.cache, kong.core_cache }
end


local function show(self)
  for _, cache in ipairs(caches()) do
    local ttl, err, value = cache:probe(self.params.key)
    if err then
      kong.log.err(err)
      return kong.response.exit(500, { message = "An unexpected error happened" })
    elseif ttl then
      return kong.response.exit(200, type(value) == "table" and value or { message = value })
    end
  end
  local version = versions.find(self.params.key)
  if version then
    return kong.response.exit(200, { message = version })
  end
  return kong.response.exit(404, { message = "Not found" })
end


local function drop(self)
  for _, cache in ipairs(caches()) do
    cache:invalidate_local(self.params.key)
  end
  return kong.response.exit(204)
end


local function drop_all()
  for _, cache in ipairs(caches()) do
    cache:purge()
  end
  return kong.response.exit(204)
end


return {
  ["/cache"] = { DELETE = drop_all },
  ["/cache/:key"] = { GET = show, DELETE = drop },
}
