-- What a script gets beyond a worker's VM: modules that wait while they load, an exit that does not
-- tear the VM down under its own feet, and for specs the gateway's own modules before those of the
-- folder they lie in.
local IS_SPECS, PROGRAM = ...

local concat, find, sub = table.concat, string.find, string.sub
local assert, error, ipairs, loadfile, type = assert, error, ipairs, loadfile, type
local pcall, select, tostring = pcall, select, tostring
local exit, open, stdout = os.exit, io.open, io.stdout
local ngx, package = ngx, package
local loaded = package.loaded

-- What is put in place of a module while it loads.
local LOADING = function() end

-- The gateway's own forms of these give way to those of the folder that specs lie in: they are data.
local DATA = { ["spec.fixtures.ssl"] = true }

local embedded = package.loaders[3]

-- Where the gateway's sources lie, for work on them: they are read from there instead.
local SOURCES = os.getenv("KONG_SPEC_SOURCES")


-- Output goes to standard output: there is neither a response nor an error log of a node.
local function write(value)
  if type(value) == "table" then
    for _, part in ipairs(value) do
      write(part)
    end
  elseif value == ngx.null then
    stdout:write("null")
  else
    stdout:write(tostring(value))
  end
end

function ngx.print(...)
  for i = 1, select("#", ...) do
    write((select(i, ...)))
  end
  return 1
end

function ngx.say(...)
  ngx.print(...)
  stdout:write("\n")
  return 1
end

function _G.print(...)
  for i = 1, select("#", ...) do
    stdout:write(i > 1 and "\t" or "", tostring((select(i, ...))))
  end
  stdout:write("\n")
  stdout:flush()
end


-- Closing the VM, which a second argument asks for, would pull it from under the running code.
function os.exit(code) -- luacheck: ignore 122
  exit(code)
end


local function exists(path)
  local file = open(path)
  if file then
    file:close()
  end
  return file ~= nil
end


-- In a checkout of Kong its sources lie in the working directory. Specs there are run against this
-- gateway: what it does not have is missing, and not found there.
local IS_CHECKOUT = IS_SPECS and exists("kong/meta.lua") and exists("kong/init.lua")


local function is_ours(name)
  return (find(name, "^[%w_]+%.") or name == "kong") and not DATA[name]
end


-- Finds a module of the kong namespace in a checkout everywhere but in the checkout's own sources.
local function beside_checkout(name)
  local places = {}
  for place in package.path:gmatch("[^;]+") do
    if sub(place, 1, 3) ~= "./?" then
      places[#places + 1] = place
    end
  end
  local path, missing = package.searchpath(name, concat(places, ";"))
  if not path then
    error("module '" .. name .. "' not found:\n\tno embedded module '" .. name .. "'" .. missing, 4)
  end
  local chunk, err = loadfile(path)
  if not chunk then
    error("error loading module '" .. name .. "' from file '" .. path .. "':\n\t" .. err, 4)
  end
  return chunk
end


-- The gateway's own module as its sources have it now.
local function from_sources(name)
  local path = name:gsub("%.", "/")
  for _, place in ipairs { "/lua/" .. path .. ".lua", "/lua/" .. path .. "/init.lua", "/" .. path .. ".lua",
      "/" .. path .. "/init.lua" } do
    if exists(SOURCES .. place) then
      return assert(loadfile(SOURCES .. place))
    end
  end
end


local function own_first(name)
  if not is_ours(name) then
    return nil
  elseif SOURCES then
    local loader = from_sources(name)
    if loader then
      return loader
    end
  end
  local loader = embedded(name)
  if type(loader) == "function" then
    return loader
  elseif IS_CHECKOUT and (name == "kong" or sub(name, 1, 5) == "kong.") then
    return beside_checkout(name)
  end
end


local function find_loader(name)
  local tried = {}
  for _, loader in ipairs(package.loaders) do
    local found = loader(name)
    if type(found) == "function" then
      return found
    elseif type(found) == "string" then
      tried[#tried + 1] = found
    end
  end
  error("module '" .. name .. "' not found:" .. concat(tried), 3)
end


-- As Lua's own, but a module may wait while it loads.
function _G.require(name)
  if type(name) == "number" then
    name = name .. ""
  elseif type(name) ~= "string" then
    local got = name == nil and "no value" or type(name)
    error("bad argument #1 to 'require' (string expected, got " .. got .. ")", 2)
  end
  local value = loaded[name]
  if value == LOADING then
    error("loop or previous error loading module '" .. name .. "'", 2)
  elseif value then
    return value
  end
  local loader = find_loader(name)
  loaded[name] = LOADING
  local result = loader(name)
  if result ~= nil then
    loaded[name] = result
  elseif loaded[name] == LOADING then
    loaded[name] = true
  end
  return loaded[name]
end


if IS_SPECS then
  table.insert(package.loaders, 2, own_first)
  -- Where spec.helpers finds the program whose nodes it starts.
  package.preload["kong.program"] = function() return PROGRAM end
  -- What is to be done when the specs are over.
  local endings = {}
  local function run_endings()
    for _, act in ipairs(endings) do
      pcall(act)
    end
  end
  package.loaded["kong.program_end"] = {
    add = function(act) endings[#endings + 1] = act end,
    run = run_endings,
  }
  -- busted ends a failed run with an error that is no text, unless it is told to exit.
  local compatibility = require("busted.compatibility")
  function compatibility.exit(code)
    run_endings()
    stdout:flush()
    exit(code == 0 and 0 or 1)
  end
end
