-- Running commands, kong's among them.

local environment = require "spec.internal.environment"
local process = require "kong.process"
local settings = require "spec.internal.settings"

local concat, gsub, upper = table.concat, string.gsub, string.upper
local pairs, tostring = pairs, tostring

local commands = {}


local function quoted(text)
  return "'" .. gsub(tostring(text), "'", "'\\''") .. "'"
end


-- Runs a shell command. Answers whether it succeeded, standard error and standard output; or, where all
-- is asked for, whether it succeeded, its code, standard output and standard error.
function commands.execute(command, returns_all)
  local code, stdout, stderr = process.run(command)
  if returns_all then
    return code == 0, code, stdout, stderr
  elseif code ~= 0 then
    return false, stderr
  end
  return true, stderr, stdout
end


-- A path without the places where a checkout has Kong's own sources.
local function beside_checkout(path)
  if not settings.is_checkout then
    return path
  end
  local places = {}
  for place in path:gmatch("[^;]+") do
    if not place:find("^%.?/?%?") and not place:find("^%.?/?kong/") then
      places[#places + 1] = place
    end
  end
  return concat(places, ";")
end


-- The module path of a node: fixtures, what the environment and the settings say.
local function package_path(env)
  local paths = {}
  for _, path in ipairs { settings.plugin_path, settings.vault_path,
                          env.lua_package_path or false, settings.conf.lua_package_path or false } do
    path = path and beside_checkout((gsub(path, "^%s*(.-)[;%s]*$", "%1")))
    if path and path ~= "" then
      paths[#paths + 1] = path
    end
  end
  return concat(paths, ";")
end


-- Commands that specs run by themselves, without `kong_exec`, find modules where those find them.
if settings.is_checkout then
  environment.setenv("KONG_LUA_PACKAGE_PATH", package_path({}))
  environment.setenv("LUA_PATH", settings.lua_path)
end


-- Runs a command of kong with settings in the environment, named without `KONG_`.
function commands.kong_exec(command, env, returns_all, variables)
  env = env or {}
  env.lua_package_path = package_path(env)
  env.plugins = env.plugins or settings.plugins
  local words = {}
  if settings.lua_path then
    words[#words + 1] = "LUA_PATH=" .. quoted(settings.lua_path)
  end
  words[#words + 1] = variables
  for name, value in pairs(env) do
    words[#words + 1] = "KONG_" .. upper(name) .. "=" .. quoted(value)
  end
  words[#words + 1] = settings.program
  words[#words + 1] = command
  return commands.execute(concat(words, " "), returns_all)
end


return commands
