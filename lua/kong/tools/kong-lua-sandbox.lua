-- Running Lua code of others in an environment without harmful functions.

local assert, error, load, pairs, pcall, setmetatable, type =
  assert, error, load, pairs, pcall, setmetatable, type
local gmatch = string.gmatch

local FUNCTIONS = [[
  _VERSION assert error ipairs next pairs pcall select tonumber tostring type unpack xpcall
]]
local LIBRARIES = {
  coroutine = "create resume running status wrap yield",
  os = "clock date difftime time",
  string = "byte char find format gmatch gsub len lower match rep reverse sub upper",
  table = "concat insert maxn remove sort",
  math = "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min "
         .. "modf pi pow rad random sin sinh sqrt tan tanh",
}
-- Every piece of code gets the one table of these libraries, so that it must not change them.
local READ_ONLY = { coroutine = true, math = true, os = true, string = true, table = true }

local _M = { quota_supported = false, bytecode_blocked = true }


local function pick(names, from)
  local picked = {}
  for name in gmatch(names, "%S+") do
    picked[name] = from[name]
  end
  return picked
end


local function read_only(library, name)
  return setmetatable({}, {
    __index = library,
    __newindex = function(_, key)
      error("Can not modify " .. name .. "." .. key .. ". Protected by the sandbox.")
    end,
  })
end


local base = pick(FUNCTIONS, _G)
for name, functions in pairs(LIBRARIES) do
  local library = pick(functions, _G[name])
  base[name] = READ_ONLY[name] and read_only(library, name) or library
end


local function results(ok, ...)
  if not ok then
    error((...), 2)
  end
  return ...
end


-- The code as a function in an environment of its own: the base functions and what `options.env` has,
-- which may replace base functions. There is no quota with LuaJIT: the worker stops code that never
-- ends by itself.
function _M.protect(code, options)
  local given = options and options.env or {}
  if options and options.quota then
    error("options.quota is not supported on this environment (usually LuaJIT). Please unset options.quota")
  end
  assert(type(code) == "string", "expected a string")
  local environment = {}
  for name, value in pairs(base) do
    local replaced = given[name]
    environment[name] = replaced == nil and value or replaced
  end
  environment._G = environment
  local run = assert(load(code, nil, "t", setmetatable(environment, { __index = given })))
  return function(...)
    return results(pcall(run, ...))
  end
end


function _M.run(code, options, ...)
  return _M.protect(code, options)(...)
end


return setmetatable(_M, {
  __call = function(_, code, options)
    return _M.protect(code, options)
  end,
})
