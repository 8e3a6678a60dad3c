-- kong.log: lines in the error log, and the record that logging plugins write.

local deprecation = require "kong.deprecation"
local host = require "kong.host"
local inspect = require "inspect"
local native = require "kong.native"
local run_hook = require("kong.dynamic_hook").run_hook
local serializer = require "kong.pdk.private.serializer"

local ngx = ngx
local concat = table.concat
local error, getinfo, getmetatable, pairs, select, setmetatable, tostring, type =
  error, debug.getinfo, getmetatable, pairs, select, setmetatable, tostring, type
local find, gsub, match, rep, sub = string.find, string.gsub, string.match, string.rep, string.sub

local PREFIX = "[kong] "
local FORMAT = "%file_src:%line_src %message"
local NAMESPACED_FORMAT = "%file_src:%line_src [%namespace] %message"
local LEVELS = {
  debug = ngx.DEBUG, info = ngx.INFO, notice = ngx.NOTICE, warn = ngx.WARN,
  err = ngx.ERR, crit = ngx.CRIT, alert = ngx.ALERT, emerg = ngx.EMERG,
}
-- The width of the box that `inspect` draws.
local WIDTH = 120


-- ---- formats --------------------------------------------------------------------------------

-- What the modifiers of a format mean, from the record of the calling function.
local MODIFIERS = {
  ["%file_src"] = function(info) return info.short_src and match(info.short_src, "[^/]*$") end,
  ["%line_src"] = function(info) return info.currentline end,
  ["%func_name"] = function(info) return info.name end,
}

-- A format as a list of texts and functions; "%message" is marked by true.
local function parse(format)
  local pieces, from = {}, 1
  while true do
    local first, last = find(format, "%%[a-z_]+", from)
    if not first then
      pieces[#pieces + 1] = sub(format, from)
      return pieces
    end
    local modifier = sub(format, first, last)
    if sub(format, first - 1, first - 1) == "%" then
      pieces[#pieces + 1] = sub(format, from, last)
    else
      pieces[#pieces + 1] = sub(format, from, first - 1)
      pieces[#pieces + 1] = modifier == "%message" and true or MODIFIERS[modifier] or modifier
    end
    from = last + 1
  end
end

local function fill(pieces, info, message)
  local out = {}
  for i = 1, #pieces do
    local piece = pieces[i]
    if piece == true then
      out[i] = message
    elseif type(piece) == "function" then
      out[i] = info and piece(info) or "?"
    else
      out[i] = piece
    end
  end
  return concat(out)
end


local function joined(to_string, separator, ...)
  local count = select("#", ...)
  if count == 0 then
    error("bad argument #1 to 'select' (index out of range)", 3)
  end
  local out = {}
  for i = 1, count do
    out[i] = to_string((select(i, ...)))
  end
  return concat(out, separator)
end


-- A function that logs its arguments at a level, with the position of its caller, or of the
-- function `depth` further up.
local function logger(level, pieces, depth)
  depth = 2 + (depth or 0)
  return function(...)
    if level <= host.log_level() then
      run_hook("observability_logs", "push", depth + 3, nil, level, ...)
      local info = getinfo(depth, "Sln")
      native.log(level, fill(pieces, info, joined(tostring, "", ...)))
    end
  end
end


-- ---- inspect --------------------------------------------------------------------------------

-- Draws a box around text, its first line in the frame.
local function log_box(level, text)
  local head, body = match(text, "^(.-)\n(.*)$")
  native.log(level, head .. rep("-", WIDTH - #head + 2) .. "+")
  for line in (body .. "\n"):gmatch("(.-)\n") do
    repeat
      local part = sub(line, 1, WIDTH)
      line = sub(line, WIDTH + 1)
      native.log(level, "|" .. part .. rep(" ", WIDTH - #part) .. "|")
    until line == ""
  end
  native.log(level, "+" .. rep("-", WIDTH) .. "+")
end

local function new_inspect(namespace)
  local pieces = parse(PREFIX .. "%file_src:%func_name:%line_src [" .. namespace .. "]\n%message")
  local self = {}

  local function show(...)
    if LEVELS.notice <= host.log_level() then
      log_box(LEVELS.notice, fill(pieces, getinfo(3, "Sln"), joined(inspect, " ", ...)))
    end
  end

  function self.on()
    self.print = show
  end

  function self.off()
    self.print = function() end
  end

  self.on()
  return setmetatable(self, {
    __call = function(_, ...)
      self.print(...)
    end,
  })
end


-- ---- facilities -----------------------------------------------------------------------------

local facility = {
  __call = function(self, ...)
    return self.notice(...)
  end,
}
facility.__index = facility


local function check_text(value, name, may_be_nil)
  if may_be_nil and value == nil then
    return
  elseif type(value) ~= "string" then
    error(name .. " must be a string" .. (may_be_nil and " if specified" or ""), 3)
  elseif value == "" then
    error(name .. " cannot be an empty string" .. (may_be_nil and " if specified" or ""), 3)
  end
end


-- A log facility whose lines name `namespace`, in a format of one's own if given.
function facility.new(namespace, format)
  check_text(namespace, "namespace")
  check_text(format, "format", true)

  local self = {
    inspect = new_inspect(namespace),
    serialize = serializer.serialize,
    set_serialize_value = serializer.set_serialize_value,
  }

  function self.set_format(wanted)
    if wanted and type(wanted) ~= "string" then
      error("format must be a string", 2)
    end
    local filled = gsub(wanted or NAMESPACED_FORMAT, "([^%%])%%namespace", function(char)
      return char .. namespace
    end)
    local pieces = parse(PREFIX .. filled)
    for name, level in pairs(LEVELS) do
      self[name] = logger(level, pieces)
    end
    self.deprecation = setmetatable({ write = logger(LEVELS.warn, pieces, 2) }, getmetatable(deprecation))
  end

  self.set_format(format)
  return setmetatable(self, facility)
end


return {
  new = function()
    return facility.new("core", FORMAT)
  end,
}
