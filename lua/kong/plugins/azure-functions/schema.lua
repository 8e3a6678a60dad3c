local typedefs = require "kong.db.schema.typedefs"

local function milliseconds(default, description)
  return { description = description, type = "number", default = default }
end

local function secret(description)
  return { description = description, type = "string", encrypted = true, referenceable = true }
end

local config = {
  type = "record",
  fields = {
    { timeout = milliseconds(600000, "Milliseconds to connect, to send and to receive, each.") },
    { keepalive = milliseconds(60000, "Milliseconds that an idle connection is kept.") },
    { https = { description = "Whether the connection is encrypted.", type = "boolean", default = true } },
    { https_verify = {
        description = "Whether the server's certificate is verified.", type = "boolean", default = false,
    } },
    { apikey = secret "The key of the function, sent as `x-functions-key`." },
    { clientid = secret "The client, sent as `x-functions-clientid`." },
    { appname = { description = "The name of the app.", type = "string", required = true } },
    { hostdomain = {
        description = "The domain that the app's host is in.",
        type = "string", required = true, default = "azurewebsites.net",
    } },
    { routeprefix = { description = "What the path begins with.", type = "string", default = "api" } },
    { functionname = { description = "The name of the function.", type = "string", required = true } },
  },
}

return {
  name = "azure-functions",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
