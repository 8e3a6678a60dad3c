--- Functions that others hang into named places.

local assert, ipairs, select, type, unpack = assert, ipairs, select, type, unpack

local function pack(...)
  return { n = select("#", ...), ... }
end

local hooks = {}

local _M = {}


--- Adds a function to a place. It gets what the place is run with; unless it is `low_level`, it is passed
-- over once a function before it answered nil or false.
function _M.register_hook(name, hook, options)
  assert(type(hook) == "function", "hook must be a function")
  hooks[name] = hooks[name] or {}
  local list = hooks[name]
  list[#list + 1] = { call = hook, low_level = options and options.low_level }
end


--- Runs the functions of a place. Answers what the last of them did; the first argument where there is none.
function _M.run_hook(name, first, ...)
  local list = hooks[name]
  if not list then
    return first
  end
  local results
  for _, hook in ipairs(list) do
    if hook.low_level then
      results = hook.call(results, first, ...)
    elseif not results or results[1] then
      results = pack(hook.call(first, ...))
    end
  end
  return unpack(results, 1, results.n)
end


function _M.clear_hooks()
  hooks = {}
end


return _M
