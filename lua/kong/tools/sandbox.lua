-- Lua code from configuration, kept to what `untrusted_lua` allows: "off" refuses it, "on" gives it
-- everything, "sandbox" (the default) a small set of functions plus what the configuration names.

local assert, error, ipairs, load, next, pcall, rawset, require, setmetatable, type =
  assert, error, ipairs, load, next, pcall, rawset, require, setmetatable, type
local match = string.match
local protect = require "kong.tools.kong-lua-sandbox"

local ERR_OFF = "loading of untrusted Lua code disabled because "
                .. "'untrusted_lua' config option is set to 'off'"

local _M = {}


-- Puts what a dotted name means in `from` at the same place of `target`. Tables are given as views,
-- so that code in the sandbox cannot write to them.
local function expose(path, from, target)
  local head, rest = match(path, "^([^.]+)%.?(.*)$")
  local value = head and from[head]
  if not value then
    return
  elseif rest == "" then
    target[head] = type(value) == "table" and setmetatable({}, { __index = value }) or value
    return
  end
  target[head] = target[head] or {}
  expose(rest, value, target[head])
end


local function setting(name)
  local configuration = kong and kong.configuration
  return configuration and configuration[name]
end

local SETTINGS = {
  err_msg = function() return ERR_OFF end,

  enabled = function()
    local mode = setting "untrusted_lua"
    return mode and mode ~= "off"
  end,

  sandbox_enabled = function()
    return setting "untrusted_lua" == "sandbox"
  end,

  requires = function()
    local allowed = {}
    for _, name in ipairs(setting "untrusted_lua_sandbox_requires" or {}) do
      allowed[name] = true
    end
    return allowed
  end,

  env_vars = function()
    return setting "untrusted_lua_sandbox_environment" or {}
  end,

  environment = function(self)
    local environment = {}
    for _, path in ipairs(self.env_vars) do
      expose(path, _G, environment)
    end
    environment.require = function(name)
      if not self.requires[name] then
        error("require '" .. name .. "' not allowed within sandbox")
      end
      return require(name)
    end
    return environment
  end,
}

local function forget(settings)
  for key in next, settings do
    rawset(settings, key, nil)
  end
end

-- The settings, computed when first asked for; `reload` and `clear` forget them.
_M.configuration = setmetatable({}, {
  __index = function(self, key)
    if key == "clear" or key == "reload" then
      return forget
    end
    local compute = SETTINGS[key]
    if not compute then
      return nil
    end
    local value = compute(self)
    rawset(self, key, value)
    return value
  end,
})


-- Compiles code under the rules of `untrusted_lua`. `opts.env` holds names it shall see.
function _M.sandbox(code, opts)
  local configuration = _M.configuration
  if not configuration.enabled then
    error(configuration.err_msg)
  end

  opts = opts or {}
  local given = opts.env or {}
  if not configuration.sandbox_enabled then
    return assert(load(code, opts.chunk_name, opts.mode or "t", setmetatable(given, { __index = _G })))
  end
  return protect(code, { env = setmetatable(given, { __index = configuration.environment }) })
end


-- Runs code that must return a function; returns the function, or false and what is wrong.
function _M.validate_function(code, opts)
  local compiled, run = pcall(_M.sandbox, code, opts)
  if not compiled then
    return false, "Error parsing function: " .. run
  end
  local ran, result = pcall(run)
  if not ran then
    return false, result
  elseif type(result) ~= "function" then
    return false, "Bad return value from function, expected function type, got " .. type(result)
  end
  return result
end


-- Whether code returns a function.
function _M.validate(code, opts)
  local _, err = _M.validate_function(code, opts)
  if err then
    return false, err
  end
  return true
end


-- Whether code compiles; it is not run.
function _M.validate_safe(code, opts)
  local compiled, err = pcall(_M.sandbox, code, opts)
  if not compiled then
    return false, "Error parsing function: " .. err
  end
  return true
end


-- The function that code returns; an error when it returns none.
function _M.parse(code, opts)
  return assert(_M.validate_function(code, opts))
end


return _M
