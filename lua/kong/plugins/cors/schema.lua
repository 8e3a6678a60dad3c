local typedefs = require "kong.db.schema.typedefs"
local is_regex = require("kong.db.schema").validators.is_regex

local METHODS = {}
for method in ("GET HEAD PUT PATCH POST DELETE OPTIONS TRACE CONNECT"):gmatch("%u+") do
  METHODS[#METHODS + 1] = method
end

local function check_origin(origin)
  if origin == "*" or is_regex(origin) then
    return true
  end
  return nil, ("'%s' is not a valid regex"):format(tostring(origin))
end

local function flag(description)
  return { description = description, type = "boolean", required = true, default = false }
end

local function names(description)
  return { description = description, type = "array", elements = { type = "string" } }
end

local config = {
  type = "record",
  fields = {
    { origins = {
        description = "Origins that may read responses: as they are, as regular expressions, or `*`.",
        type = "array", elements = { type = "string", custom_validator = check_origin },
    } },
    { headers = names "Request headers that scripts may set." },
    { exposed_headers = names "Response headers that scripts may read." },
    { methods = {
        description = "Methods that scripts may use.",
        type = "array", elements = { type = "string", one_of = METHODS }, default = METHODS,
    } },
    { max_age = { description = "For how many seconds a preflight answer holds.", type = "number" } },
    { credentials = flag "Whether requests may carry credentials." },
    { private_network = flag "Whether public pages may reach into a private network." },
    { preflight_continue = flag "Whether preflight requests go to the upstream." },
  },
}

return {
  name = "cors",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
