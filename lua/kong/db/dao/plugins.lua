--- A plugin must share a protocol with the route it is for, or with one of the routes of its service.

local ipairs, pairs, tostring, type = ipairs, pairs, tostring, type

local _M = {}


local function share(plugin, route)
  for _, protocol in ipairs(plugin.protocols) do
    for _, other in ipairs(route.protocols) do
      if protocol == other then
        return true
      end
    end
  end
  return false
end


-- Whether any route of a service shares a protocol with a plugin; a service without routes does.
local function share_with_service(self, plugin)
  local has_routes = false
  for route, err, err_t in self.db.routes:each_for_service(plugin.service) do
    if not route then
      return nil, err, err_t
    elseif share(plugin, route) then
      return true
    end
    has_routes = true
  end
  return not has_routes
end


local function check_protocols(self, plugin)
  local wrong
  if type(plugin.protocols) ~= "table" then
    return true
  elseif type(plugin.route) == "table" then
    local route = self.db.routes:select(plugin.route)
    wrong = route and not share(plugin, route) and "must match the associated route's protocols"
  elseif type(plugin.service) == "table" then
    wrong = not share_with_service(self, plugin)
            and "must match the protocols of at least one route pointing to this Plugin's service"
  end
  if not wrong then
    return true
  end
  local err_t = self.errors:schema_violation { protocols = wrong }
  return nil, tostring(err_t), err_t
end


function _M:insert(plugin, options)
  local ok, err, err_t = check_protocols(self, plugin)
  if not ok then
    return nil, err, err_t
  end
  return self.super.insert(self, plugin, options)
end


function _M:update(primary_key, plugin, options)
  if plugin.protocols or plugin.service or plugin.route then
    local known = self.super.select(self, primary_key, options) or {}
    local whole = {}
    for _, name in pairs { "protocols", "service", "route" } do
      whole[name] = plugin[name] or known[name]
    end
    local ok, err, err_t = check_protocols(self, whole)
    if not ok then
      return nil, err, err_t
    end
  end
  return self.super.update(self, primary_key, plugin, options)
end


function _M:upsert(primary_key, plugin, options)
  local ok, err, err_t = check_protocols(self, plugin)
  if not ok then
    return nil, err, err_t
  end
  return self.super.upsert(self, primary_key, plugin, options)
end


_M.select_by_ca_certificate = require "kong.db.dao.by_ca_certificate"


return _M
