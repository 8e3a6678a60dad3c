-- What busted tells of each case as a line: outcome, name and message, with tabs between them.

local concat, format, gsub, sub = table.concat, string.format, string.gsub, string.sub
local tostring, type = tostring, type

local LONGEST = 2000

-- Characters that would end a field or a line.
local ESCAPES = { ["\n"] = "\\n", ["\t"] = " " }


local function flat(text)
  return (gsub(tostring(text or ""), "[\n\t]", ESCAPES))
end


local function text_of(message)
  return type(message) == "table" and (message.message or require("pl.pretty").write(message)) or message
end


return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function tell(outcome, element, message)
    io.stdout:write(concat({ outcome, flat(handler.getFullName(element)),
                             sub(flat(text_of(message)), 1, LONGEST) }, "\t"), "\n")
    io.stdout:flush()
    return nil, true
  end

  busted.subscribe({ "test", "end" }, function(element, _, status)
    if status == "success" or status == "pending" then
      return tell(status, element)
    end
  end)
  busted.subscribe({ "failure" }, function(element, _, message) return tell("failure", element, message) end)
  busted.subscribe({ "error" }, function(element, _, message) return tell("error", element, message) end)
  busted.subscribe({ "suite", "end" }, function()
    io.stdout:write(format("end\t%s\n", os.date("!%FT%TZ")))
  end)
  return handler
end
