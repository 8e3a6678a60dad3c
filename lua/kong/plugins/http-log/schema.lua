local old_queue_fields = require "kong.tools.old_queue_fields"
local typedefs = require "kong.db.schema.typedefs"

local null = ngx.null

-- Headers that follow from the rest of the configuration.
local taken = {}
for i, name in ipairs { "Host", "Content-Length", "Content-Type" } do
  local pattern = name:gsub("-", "%%-"):gsub("%a", function(letter)
    return "[" .. letter:upper() .. letter:lower() .. "]"
  end)
  taken[i] = { pattern = "^" .. pattern .. "$", err = "cannot contain '" .. name .. "' header" }
end

local retry_count, queue_size, flush_timeout = old_queue_fields "http-log"

local ERR_TWO_AUTHORIZATIONS =
  "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"

local function check_authorization(config)
  local has_user = config.http_endpoint:match("^%a[%w+.-]*://[^/?#]*@")
  local headers = config.headers
  if has_user and headers and headers ~= null then
    for name in pairs(headers) do
      if name:lower() == "authorization" then
        return false, ERR_TWO_AUTHORIZATIONS
      end
    end
  end
  return true
end

local config = {
  type = "record",
  custom_validator = check_authorization,
  fields = {
    { http_endpoint = typedefs.url { required = true, encrypted = true, referenceable = true } },
    { method = {
        description = "The method of requests to the endpoint.",
        type = "string", default = "POST", one_of = { "POST", "PUT", "PATCH" },
    } },
    { content_type = {
        description = "The content type of what is sent.", type = "string", default = "application/json",
        one_of = { "application/json", "application/json; charset=utf-8" },
    } },
    { timeout = {
        description = "Milliseconds to connect, to send and to receive, each.",
        type = "number", default = 10000,
    } },
    { keepalive = {
        description = "Milliseconds that an idle connection is kept.", type = "number", default = 60000,
    } },
    retry_count,
    queue_size,
    flush_timeout,
    { headers = {
        description = "Headers to send, each with one value.", type = "map",
        keys = typedefs.header_name { match_none = taken },
        values = { type = "string", referenceable = true },
    } },
    { queue = typedefs.queue },
    { custom_fields_by_lua = typedefs.lua_code },
  },
}

return {
  name = "http-log",
  fields = { { protocols = typedefs.protocols }, { config = config } },
}
