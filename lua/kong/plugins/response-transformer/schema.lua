local http = require "kong.tools.http"
local typedefs = require "kong.db.schema.typedefs"

local PAIR = "^[^:]+:.*$"

local function check_names(pair)
  for _, name in ipairs { pair:match("^([^:]+):*(.-)$") } do
    if http.validate_header_name(name) == nil then
      return nil, ("'%s' is not a valid header"):format(name)
    end
  end
  return true
end

local function list(element)
  element.type = "string"
  return { type = "array", required = true, default = {}, elements = element }
end

local function record(...)
  return { type = "record", fields = { ... } }
end

local function pairs_of_values()
  return record(
    { json = list { match = PAIR } },
    { json_types = list { one_of = { "boolean", "number", "string" } } },
    { headers = list { match = PAIR } }
  )
end

return {
  name = "response-transformer",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = record(
        { remove = record({ json = list {} }, { headers = list {} }) },
        { rename = record({ json = list { match = PAIR } },
                          { headers = list { match = PAIR, custom_validator = check_names } }) },
        { replace = pairs_of_values() },
        { add = pairs_of_values() },
        { append = pairs_of_values() }
    ) },
  },
}
