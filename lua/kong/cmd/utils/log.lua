-- What commands tell their user, by level.

local concat, date, format = table.concat, os.date, string.format
local select, tostring, upper = select, tostring, string.upper
local stderr, stdout = io.stderr, io.stdout

local LEVELS = { debug = 1, verbose = 2, info = 3, warn = 4, error = 5, quiet = 6 }

local current, enabled = LEVELS.info, true

local _M = { levels = LEVELS }


local function text(...)
  local count = select("#", ...)
  if count == 1 then
    return tostring((...))
  elseif (...):find("%%") then
    return format(...)
  end
  local parts = { ... }
  for i = 1, count do
    parts[i] = tostring(parts[i])
  end
  return concat(parts, " ")
end


local function tell(level, ...)
  if not enabled or level < current then
    return
  end
  local message = text(...)
  local stamped = level > LEVELS.info or current < LEVELS.info
  if stamped then
    for name, number in pairs(LEVELS) do
      if number == level then
        message = format("%s [%s] %s", date("%Y/%m/%d %H:%M:%S"), name, message)
      end
    end
  end
  local stream = level >= LEVELS.warn and stderr or stdout
  stream:write(message, "\n")
end


for name, level in pairs(LEVELS) do
  _M[name] = function(...)
    tell(level, ...)
  end
end


-- From which level on messages are told.
function _M.set_lvl(level)
  if level == nil or level < LEVELS.debug or level > LEVELS.quiet then
    return
  end
  current = level
end


function _M.get_lvl()
  return current
end


function _M.disable()
  enabled = false
end


function _M.enable()
  enabled = true
end


return setmetatable(_M, {
  __call = function(_, ...)
    tell(LEVELS.info, ...)
  end,
  __index = function(_, name)
    return LEVELS[upper(name)]
  end,
})
