-- pre-function and post-function: Lua code from the configuration, for each phase.

local kong_meta = require "kong.meta"
local sandbox = require "kong.tools.sandbox"

local assert, ipairs, setmetatable, type = assert, ipairs, setmetatable, type
local kong, ngx = kong, ngx

local PHASES = { "certificate", "rewrite", "access", "header_filter", "body_filter", "log" }

local function nothing() end

-- Code sees `kong` with a cache of its own and without secrets in its configuration.
local env
local function environment()
  env = env or {
    ngx = ngx,
    kong = setmetatable({
      cache = kong.cache and kong.cache:sibling("serverless_kong_db_cache"),
      configuration = kong.configuration.remove_sensitive(),
    }, { __index = kong }),
  }
  return { env = env }
end


-- A piece of code as a function. Code that returns a function is a prologue: it runs once, and then
-- what it returned runs each time.
local function compile(code)
  local run = assert(sandbox.sandbox(code, environment()))
  local started = false
  return function()
    if started then
      return run()
    end
    started = true
    local result = run()
    if type(result) == "function" then
      run = result
      run()
    end
  end
end


local function compile_all(sources)
  if not sources or #sources == 0 then
    return nothing
  end
  local functions = {}
  for i, code in ipairs(sources) do
    functions[i] = compile(code)
  end
  return function()
    for i = 1, #functions do
      functions[i]()
    end
  end
end


local compiled = setmetatable({}, {
  __mode = "k",
  __index = function(self, conf)
    local by_phase = {}
    for _, phase in ipairs(PHASES) do
      by_phase[phase] = compile_all(conf[phase])
    end
    self[conf] = by_phase
    return by_phase
  end,
})


return function(priority)
  local handler = { VERSION = kong_meta.version, PRIORITY = priority }
  for _, phase in ipairs(PHASES) do
    handler[phase] = function(_, conf)
      compiled[conf][phase]()
    end
  end
  return handler
end
