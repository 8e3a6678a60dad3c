-- What consumers, services, workspaces and this node are called in the names and tags of metrics.

local workspaces = require "kong.workspaces"

local kong = kong
local null = ngx.null
local gsub = string.gsub

local _M = {}


local function present(value)
  return value ~= null and value or nil
end


-- A dot would divide a name.
local function undotted(name)
  return name and (gsub(name, "%.", "_"))
end


local CONSUMER = { consumer_id = "id", custom_id = "custom_id", username = "username" }

function _M.consumer(entry, metric, conf)
  local field = CONSUMER[metric.consumer_identifier or conf.consumer_identifier_default]
  return entry.consumer and present(entry.consumer[field])
end


local SERVICE = { service_id = "id", service_name = "name", service_host = "host" }

-- nil where there is no service or it has no such name.
function _M.service(entry, metric, conf)
  local service = entry.service
  local identifier = metric.service_identifier or conf.service_identifier_default
  if not service then
    return nil
  elseif identifier == "service_name_or_host" then
    return present(service.name) or service.host
  end
  return present(service[SERVICE[identifier]])
end


function _M.workspace(metric, conf)
  local identifier = metric.workspace_identifier or conf.workspace_identifier_default
  if identifier == "workspace_name" then
    return workspaces.get_workspace_name()
  end
  return workspaces.get_workspace_id()
end


-- What the names of a service's metrics begin with.
function _M.scope(entry, metric, conf)
  if not entry.service then
    return "global.unmatched"
  end
  return "service." .. (undotted(_M.service(entry, metric, conf)) or "unnamed")
end


local node

function _M.node()
  node = node or undotted(kong.node.get_hostname())
  return node
end


-- The tags of a request; nil for one without a service.
function _M.tags(entry, metric, conf)
  local service = _M.service(entry, metric, conf)
  if not service then
    return nil
  end
  local tags = { { "service", service } }
  local function add(name, value)
    if value then
      tags[#tags + 1] = { name, value }
    end
  end
  add("route", entry.route and (present(entry.route.name) or entry.route.id))
  add("workspace", _M.workspace(metric, conf))
  add("consumer", _M.consumer(entry, metric, conf))
  add("node", _M.node())
  add("status", entry.response and entry.response.status)
  return tags
end


return _M
