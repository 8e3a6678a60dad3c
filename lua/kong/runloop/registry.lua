-- The installed plugins: handler, phases, order.

local module = require "kong.tools.module"
local PHASES = require("kong.pdk.private.phases").phases

local abs, floor, fmt, huge, ipairs, pairs, sort, tostring, type =
  math.abs, math.floor, string.format, math.huge, ipairs, pairs, table.sort, tostring, type

local ngx_log, DEBUG = ngx.log, ngx.DEBUG

-- The phases a handler can have, by their bits.
local PHASE_BITS = {}
for _, phase in ipairs { "init_worker", "certificate", "rewrite", "access", "response", "header_filter",
                         "body_filter", "log", "preread" } do
  PHASE_BITS[phase] = PHASES[phase]
end

local ERR_PRIORITY = "Plugin %q cannot be loaded because its PRIORITY field is not a valid integer "
                     .. "number, got: %q.\n"
local ERR_VERSION = "Plugin %q cannot be loaded because its VERSION field does not follow the "
                    .. "\"x.y.z\" format, got: %q.\n"
local ERR_RESPONSE = "Plugin %q can't be loaded because it implements both `response` and "
                     .. "`header_filter` or `body_filter` methods.\n"

local _M = {
  -- The plugins to load: known before the first of them loads.
  names = {},
}


local function is_integer(value)
  return type(value) == "number" and value == floor(value) and abs(value) ~= huge
end


-- The numbers of a version, at most three, without what stands around them; nil where there is none.
local function cleaned_version(value)
  local numbers = type(value) == "string" and value:match("%d+[%d.]*")
  numbers = numbers and numbers:gsub("%.+$", "")
  local _, dots = (numbers or ""):gsub("%.", "")
  return dots <= 2 and numbers or nil
end


-- A handler in the style of Kong before 3.0 is a class with a constructor. It need not have a
-- priority or a version.
local function from_base_plugin(handler)
  local base = package.loaded["kong.plugins.base_plugin"]
  if not base or not handler.is_a or not handler:is_a(base) then
    return handler, nil
  end
  handler = handler()
  handler.PRIORITY = handler.PRIORITY or 0
  handler.VERSION = handler.VERSION or "0"
  return handler, base
end


-- The handler's own function for a phase; one that it merely inherits from BasePlugin is none.
local function phase_function(handler, phase, base)
  local func = handler[phase]
  if type(func) == "function" and not (base and base[phase] == func) then
    return func
  end
end


-- A plugin by name, or nil and why it cannot be used.
function _M.load(name)
  local found, handler = module.load_module_if_exists("kong.plugins." .. name .. ".handler")
  if not found then
    ngx_log(DEBUG, handler)
    return nil, name .. " plugin is enabled but not installed;\nno plugin found"
  elseif type(handler) ~= "table" then
    return nil, fmt("Plugin %q cannot be loaded because its handler is not a table", name)
  end

  local base
  handler, base = from_base_plugin(handler)
  if not is_integer(handler.PRIORITY) then
    return nil, fmt(ERR_PRIORITY, name, tostring(handler.PRIORITY))
  end
  local version = cleaned_version(handler.VERSION)
  if not version then
    return nil, fmt(ERR_VERSION, name, tostring(handler.VERSION))
  end
  handler.VERSION = version

  local plugin = { name = name, handler = handler, phases = 0, facility = kong._log.new(name) }
  for phase, bit in pairs(PHASE_BITS) do
    plugin[phase] = phase_function(handler, phase, base)
    plugin.phases = plugin.phases + (plugin[phase] and bit or 0)
  end
  plugin.configure = phase_function(handler, "configure", base)
  if plugin.response and (plugin.header_filter or plugin.body_filter) then
    return nil, fmt(ERR_RESPONSE, name)
  end
  return plugin
end


-- Higher priority first; among equals the name that sorts later. Plugins of priority 0 have no
-- order among themselves in Kong; here they have the same.
local function before(a, b)
  local one, other = a.handler.PRIORITY, b.handler.PRIORITY
  if one ~= other then
    return one > other
  end
  return a.name > b.name
end


-- These plugins in the order they run; nil and every problem if there is one.
function _M.sorted(names)
  local plugins, problems = {}, {}
  for _, name in ipairs(names) do
    local plugin, err = _M.load(name)
    if plugin then
      plugins[#plugins + 1] = plugin
    else
      problems[#problems + 1] = "on plugin '" .. name .. "': " .. err
    end
  end
  if #problems > 0 then
    return nil, "error loading plugin schemas: " .. table.concat(problems, "; ")
  end
  sort(plugins, before)
  return plugins
end


-- All plugins of the node, likewise.
function _M.load_all(names)
  _M.names = names
  return _M.sorted(names)
end


return _M
