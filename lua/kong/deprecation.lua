-- Warnings about what will go.

local native = require "kong.native"

local concat, select, setmetatable, type = table.concat, select, setmetatable, type

local deprecation = {}


function deprecation.init() end


-- The message, with the releases that `options` names.
local function text_of(message, options)
  if options.after and options.removal then
    local since = " (deprecated after " .. options.after
    return message .. since .. ", scheduled for removal in " .. options.removal .. ")"
  elseif options.after then
    return message .. " (deprecated after " .. options.after .. ")"
  elseif options.removal then
    return message .. " (scheduled for removal in " .. options.removal .. ")"
  end
  return message
end


-- Logs a warning. The last argument may be a table: `after` and `removal` name releases, `trace`
-- asks for the call stack.
function deprecation.raise(...)
  local parts, count, options = { ... }, select("#", ...), {}
  if type(parts[count]) == "table" then
    options, count = parts[count], count - 1
  end
  local message = text_of(concat(parts, nil, 1, count), options)
  if options.trace then
    message = message .. " " .. debug.traceback("", 3):gsub("^%s+", "")
  end

  local log = kong and kong.log
  if log then
    log.deprecation.write(message)
  else
    native.log(ngx.WARN, message)
  end
end


return setmetatable(deprecation, {
  __call = function(_, ...)
    return deprecation.raise(...)
  end,
})
