-- AWS X-Ray: `x-amzn-trace-id`.

local extractor = require "kong.observability.tracing.propagation.extractor"
local from_hex = require("kong.observability.tracing.propagation.utils").from_hex

local kong = kong
local gmatch, match, rep, type = string.gmatch, string.match, string.rep, type

local ROOT = "^1%-(" .. rep("%x", 8) .. ")%-(" .. rep("%x", 24) .. ")$"
local PARENT = "^" .. rep("%x", 16) .. "$"

-- Each part sets what it says in the context; false when it is not well formed.
local PARTS = {
  Root = { "trace id", function(context, value)
    local time, unique = match(value, ROOT)
    context.trace_id = time and from_hex(time .. unique)
    return time
  end },
  Parent = { "parent id", function(context, value)
    local id = match(value, PARENT)
    context.span_id = id and from_hex(id)
    return id
  end },
  Sampled = { "sampled flag", function(context, value)
    context.should_sample = value == "1"
    return value == "0" or value == "1"
  end },
}


return extractor({ "x-amzn-trace-id" }, function(headers)
  local value, context = headers["x-amzn-trace-id"], {}
  if type(value) ~= "string" then
    return nil
  end
  for name, text in gmatch(value, "%s*([^;=]+)=([^;]*)") do
    local part = PARTS[match(name, "^(.-)%s*$")]
    if part and not part[2](context, match(text, "^%s*(.-)%s*$")) then
      return kong.log.warn("invalid aws header " .. part[1] .. "; ignoring.")
    end
  end
  return context
end)
