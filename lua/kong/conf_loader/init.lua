-- Reading configuration: the gateway's own reader, for Lua code.

local native = require "kong.native"

local ipairs, pairs, setmetatable, type = ipairs, pairs, setmetatable, type
local open = io.open

local PLACEHOLDER = "******"
local DEFAULT_PATHS = { "/etc/kong/kong.conf", "/etc/kong.conf" }

local _M = { DEFAULT_PATHS = DEFAULT_PATHS }


-- A copy of configuration values with secrets replaced by stars.
function _M.remove_sensitive(values)
  local shown = {}
  for name, value in pairs(values) do
    shown[name] = native.is_sensitive(name) and value ~= "" and PLACEHOLDER or value
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


-- Reads a configuration. `custom` are values above those of the file and the environment.
-- Answers a table of all values and what follows from them; or nil, the first problem and all of them.
function _M.load(path, custom, options)
  options = options or {}
  local values, references, warnings = native.conf_load(path, custom, purpose(options), options.from_kong_env)
  if not values then
    return nil, references, warnings
  end
  local log = require "kong.cmd.utils.log"
  for _, warning in ipairs(options.starting and warnings or {}) do
    log.warn(warning)
  end
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
