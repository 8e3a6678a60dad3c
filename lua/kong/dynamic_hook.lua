-- Hooks that observability switches on at run time, by groups: for all requests, or for the one that is being
-- served. A group that is off costs a test.

local host = require "host.running"

local ngx = ngx
local assert, ipairs, pcall, select, type = assert, ipairs, pcall, select, type

-- Arguments of a function that is hooked without "varargs".
local MOST = 8

local _M = {}

-- Groups that are on for every request, and handlers by group and name.
local always, handlers_of = {}, {}


local function check_text(value, name)
  assert(type(value) == "string", name .. " must be a string")
end


local function complain(what, group, err)
  ngx.log(ngx.WARN, "failed to run ", what, " of ", group, ": ", err)
end


local function attempt(what, group, handler, ...)
  local ok, err = pcall(handler, ...)
  if not ok then
    complain(what, group, err)
  end
end


-- Whether a group is on for the code that runs.
function _M.is_group_enabled(group)
  check_text(group, "group_name")
  if always[group] then
    return true
  elseif not host.has_request() then
    return false
  end
  local own = ngx.ctx.dynamic_hook
  return own ~= nil and own.enabled_groups[group] == true
end


-- ---- hooks by name --------------------------------------------------------------------------

function _M.hook(group, name, handler)
  check_text(group, "group_name")
  check_text(name, "hook_name")
  assert(type(handler) == "function", "handler must be a function")
  handlers_of[group] = handlers_of[group] or {}
  handlers_of[group][name] = handler
end


function _M.run_hook(group, name, ...)
  check_text(group, "group_name")
  check_text(name, "hook_name")
  local handler = handlers_of[group] and handlers_of[group][name]
  if handler and _M.is_group_enabled(group) then
    -- Handlers count stack levels: theirs, that of pcall, that of this function, that of its caller.
    local ok, err = pcall(handler, ...)
    if not ok then
      complain("dynamic hook " .. name, group, err)
    end
  end
end


-- ---- hooks of functions ---------------------------------------------------------------------

local function run_all(list, what, group, ...)
  for _, handler in ipairs(list or {}) do
    attempt(what, group, handler, ...)
  end
end


local function after(handlers, group, ...)
  run_all(handlers.afters, "after hook", group, ...)
  return ...
end


-- Puts a function around `parent[name]`: `handlers.befores` see its arguments, `handlers.afters` its results.
-- `max_args` says how many arguments it has, up to eight, or "varargs".
function _M.hook_function(group, parent, name, max_args, handlers)
  check_text(group, "group_name")
  assert(type(parent) == "table", "parent must be a table")
  check_text(name, "function_key")
  if max_args ~= "varargs" then
    assert(type(max_args) == "number", 'max_args must be a number or "varargs"')
    assert(max_args >= 0 and max_args <= MOST, 'max_args must be >= 0 and <= 8, or "varargs"')
  end
  local original = parent[name]
  assert(type(original) == "function", "parent[" .. name .. "] must be a function")

  local function hooked(...)
    if not _M.is_group_enabled(group) then
      return original(...)
    end
    run_all(handlers.befores, "before hook", group, ...)
    return after(handlers, group, original(...))
  end

  parent[name] = hooked
  if max_args ~= "varargs" then
    -- No more arguments reach it than it has.
    parent[name] = function(...)
      if select("#", ...) <= max_args then
        return hooked(...)
      end
      return hooked(unpack({ ... }, 1, max_args))
    end
  end
end


-- ---- switches -------------------------------------------------------------------------------

function _M.enable_on_this_request(group, ctx)
  check_text(group, "group_name")
  ctx = ctx or ngx.ctx
  ctx.dynamic_hook = ctx.dynamic_hook or { enabled_groups = {} }
  ctx.dynamic_hook.enabled_groups[group] = true
end


function _M.enable_by_default(group)
  check_text(group, "group_name")
  always[group] = true
end


function _M.disable_by_default(group)
  check_text(group, "group_name")
  always[group] = nil
end


return _M
