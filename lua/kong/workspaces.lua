-- Workspaces: there is one, "default".

local host = require "host.running"

local _M = {}


-- The id of the current request's workspace; nil where no request is served.
function _M.get_workspace_id(ctx)
  if not host.has_request() then
    return nil
  end
  return (ctx or ngx.ctx).workspace or kong.default_workspace
end


function _M.get_workspace()
  local id = host.has_request() and ngx.ctx.workspace or kong.default_workspace
  return kong.db.workspaces:select { id = id }
end


function _M.get_workspace_name()
  return "default"
end


function _M.set_workspace(workspace)
  ngx.ctx.workspace = workspace and workspace.id
end


return _M
