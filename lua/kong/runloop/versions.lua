--- Which router and which plugins this node serves by: names that change with the entities they are made of.
--
-- The host notes changes in one VM; all workers read them. *Kong parity*: `/cache/router:version` and
-- `/cache/plugins_iterator:version` answer them.

local uuid = require("kong.tools.uuid").uuid

local pairs = pairs

-- What they are before anything changed.
local FIRST = "init"

local ROUTER, PLUGINS = "router:version", "plugins_iterator:version"

-- By kinds of entities, and by what other nodes call the versions.
local KINDS = {
  routes = ROUTER, services = ROUTER, plugins = PLUGINS, router = ROUTER, plugins_iterator = PLUGINS,
}

local _M = {}


local function renew(name)
  local dict = ngx.shared.kong
  if dict then
    dict:set(name, uuid())
  end
end


--- Notes that an entity of a kind has changed.
function _M.touch(kind)
  if KINDS[kind] then
    renew(KINDS[kind])
  end
end


--- Notes that anything may have changed.
function _M.touch_all()
  for _, name in pairs { ROUTER, PLUGINS } do
    renew(name)
  end
end


--- The version of this name; nil where there is none.
function _M.find(name)
  if name == ROUTER or name == PLUGINS then
    return ngx.shared.kong and ngx.shared.kong:get(name) or FIRST
  end
end


return _M
