-- Reading configuration: the gateway's own reader, for Lua code.

local native = require "kong.native"

local ipairs, next, pairs, setmetatable, tonumber, type = ipairs, next, pairs, setmetatable, tonumber, type
local open = io.open

local PLACEHOLDER = "******"
local DEFAULT_PATHS = { "/etc/kong/kong.conf", "/etc/kong.conf" }

local _M = {}


-- Adds a place where the file is looked for when none is named.
function _M.add_default_path(path)
  DEFAULT_PATHS[#DEFAULT_PATHS + 1] = path
end


local function default_path()
  for _, path in ipairs(DEFAULT_PATHS) do
    local file = open(path)
    if file then
      file:close()
      return path
    end
  end
end


-- A copy of configuration values with secrets replaced by stars, and what comes from a vault by its
-- reference.
function _M.remove_sensitive(values)
  local shown, references = {}, values["$refs"] or {}
  for name, value in pairs(values) do
    if native.is_sensitive(name) and value ~= "" then
      shown[name] = PLACEHOLDER
    elseif name ~= "$refs" then
      shown[name] = references[name] or value
    end
  end
  return shown
end


-- The text of a configuration file as a table of texts.
function _M.load_config_file(path)
  local file, err = open(path)
  if not file then
    return nil, err
  end
  local text = file:read("*a")
  file:close()
  return _M.load_config(text)
end


-- `name = value` lines as a table; `#` begins a comment unless a backslash stands before it.
function _M.load_config(text)
  local values = {}
  for line in text:gmatch("[^\r\n]+") do
    local name, value = line:match("^%s*([%w_]+)%s*=%s*(.-)%s*$")
    if name then
      value = value:gsub("\\#", "\0"):gsub("%s*#.*$", ""):gsub("%z", "#")
      values[name] = value
    end
  end
  return values
end


local function purpose(options)
  return options.starting and "start" or options.stopping and "stop" or nil
end


-- Tells of what is deprecated; only who starts a node shows it.
local function warn(warnings, shows)
  local log = require "kong.cmd.utils.log"
  if not shows then
    log.disable()
  end
  for _, warning in ipairs(warnings) do
    log.warn(warning)
  end
  log.enable()
end


-- Reads a configuration. `custom` are values above those of the file and the environment.
-- Answers a table of all values and what follows from them; or nil, the first problem and all of them.
function _M.load(path, custom, options)
  options = options or {}
  path = path or default_path()
  local values, references, warnings = native.conf_load(path, custom, purpose(options), options.from_kong_env)
  if not values then
    return nil, references, warnings
  end
  warn(warnings, options.starting)
  -- Ports are found by their numbers, too.
  local ports = {}
  for port, public in pairs(values.host_ports or {}) do
    ports[port], ports[tonumber(port)] = public, public
  end
  values.host_ports = ports
  if next(references) then
    values["$refs"] = references
  end
  return values
end


return setmetatable(_M, {
  __call = function(_, path, custom, options)
    if type(path) == "table" then
      return _M.load(nil, path, custom)
    end
    return _M.load(path, custom, options)
  end,
})
