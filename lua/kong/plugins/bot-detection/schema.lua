local typedefs = require "kong.db.schema.typedefs"

local function patterns(description)
  return { description = description, type = "array", default = {},
           elements = { type = "string", is_regex = true } }
end

local config = {
  type = "record",
  fields = {
    { allow = patterns "Regular expressions of `User-Agent`s to let through, known bots or not." },
    { deny = patterns "Regular expressions of further `User-Agent`s to hold back." },
  },
}

return {
  name = "bot-detection",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
