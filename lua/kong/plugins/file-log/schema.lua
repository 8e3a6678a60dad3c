local typedefs = require "kong.db.schema.typedefs"

local config = {
  type = "record",
  fields = {
    { path = {
        description = "The file to write to; created when it is missing.",
        type = "string", required = true, match = [[^[^*&%%\`]+$]], err = "not a valid filename",
    } },
    { reopen = {
        description = "Whether the file is closed and opened for each request, so that it can be rotated.",
        type = "boolean", required = true, default = false,
    } },
    { custom_fields_by_lua = typedefs.lua_code },
  },
}

return {
  name = "file-log",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
