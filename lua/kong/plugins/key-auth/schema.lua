local typedefs = require "kong.db.schema.typedefs"

local function flag(default, description)
  return { description = description, type = "boolean", required = true, default = default }
end

local config = {
  type = "record",
  fields = {
    { key_names = {
        description = "Names under which a key is looked for, of letters, digits, `_` and `-`.",
        type = "array", required = true, elements = typedefs.header_name, default = { "apikey" },
    } },
    { hide_credentials = flag(false, "Whether the key is removed before the request goes on.") },
    { anonymous = {
        description = "Id or username of the consumer that requests without a key act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { key_in_header = flag(true, "Whether headers are looked at.") },
    { key_in_query = flag(true, "Whether the query is looked at.") },
    { key_in_body = flag(false, "Whether the body is looked at: form, multipart or JSON.") },
    { run_on_preflight = flag(true, "Whether `OPTIONS` requests need a key, too.") },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = false,
    } },
  },
}

return {
  name = "key-auth",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
