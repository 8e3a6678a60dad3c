local typedefs = require "kong.db.schema.typedefs"

local function given(text)
  return type(text) == "string" and text ~= ""
end

local function check_body(config)
  local raw = given(config.content_type) or given(config.body)
  if raw and given(config.message) then
    return nil, "message cannot be used with content_type or body"
  elseif given(config.content_type) and not given(config.body) then
    return nil, "content_type requires a body"
  elseif raw and config.echo then
    return nil, "echo cannot be used with content_type and body"
  end
  return true
end

local config = {
  type = "record",
  custom_validator = check_body,
  fields = {
    { status_code = {
        description = "The status to answer with.",
        type = "integer", required = true, between = { 100, 599 }, default = 503,
    } },
    { message = { description = "The message of the default body.", type = "string" } },
    { content_type = { description = "The content type of `body`.", type = "string" } },
    { body = { description = "A body of one's own; excludes `message`.", type = "string" } },
    { echo = {
        description = "Whether the answer describes the request, as an aid in finding faults.",
        type = "boolean", required = true, default = false,
    } },
    { trigger = typedefs.header_name },
  },
}

return {
  name = "request-termination",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
}
