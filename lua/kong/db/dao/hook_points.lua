--- Where functions hang in the access to entities: `dao:<operation>:<point>` of `kong.hooks`.
--
-- `pre` refuses by nil and an error table, `post` answers what the caller gets, `fail` is told of a
-- write that failed.

local run_hook = require("kong.hooks").run_hook
local workspaces = require "kong.workspaces"

local null = ngx.null
local tostring = tostring

local names = {}

local _M = {}


-- `by` is whether the entity is addressed by a unique field.
local function name_of(operation, by, point)
  local key = by and operation .. "_by" or operation
  local points = names[key]
  if not points then
    local prefix = "dao:" .. key .. ":"
    points = { pre = prefix .. "pre", post = prefix .. "post", fail = prefix .. "fail" }
    names[key] = points
  end
  return points[point]
end


--- The workspace of an operation.
function _M.workspace_of(options)
  local workspace = options and options.workspace
  if workspace ~= nil and workspace ~= null then
    return workspace
  end
  return workspaces.get_workspace_id() or kong.default_workspace
end


--- @return whether the operation may go on; nil, an error and its table where it may not
function _M.before(operation, by, subject, ...)
  local ok, err_t = run_hook(name_of(operation, by, "pre"), subject, ...)
  if not ok then
    return nil, tostring(err_t), err_t
  end
  return true
end


--- @return what the caller gets; nil and an error table where a function refuses
function _M.after(operation, by, row, ...)
  return run_hook(name_of(operation, by, "post"), row, ...)
end


--- Tells that a write failed.
function _M.failed(operation, by, err_t, ...)
  run_hook(name_of(operation, by, "fail"), err_t, ...)
end


return _M
