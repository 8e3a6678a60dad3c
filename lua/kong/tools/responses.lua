-- Answers by status, for plugins written before the PDK: `responses.send_HTTP_NOT_FOUND(content)`.

local kong = kong

local NAMES = {
  HTTP_OK = 200, HTTP_CREATED = 201, HTTP_NO_CONTENT = 204, HTTP_BAD_REQUEST = 400,
  HTTP_UNAUTHORIZED = 401, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_METHOD_NOT_ALLOWED = 405,
  HTTP_CONFLICT = 409, HTTP_UNSUPPORTED_MEDIA_TYPE = 415, HTTP_INTERNAL_SERVER_ERROR = 500,
  HTTP_SERVICE_UNAVAILABLE = 503,
}
local DEFAULTS = {
  [401] = "Unauthorized", [404] = "Not found", [405] = "Method not allowed",
  [500] = "An unexpected error occurred", [503] = "Service unavailable",
}

local responses = { status_codes = NAMES }


-- Answers with a status; text becomes the message of a JSON body.
function responses.send(status, content, headers)
  if status == 500 and content then
    kong.log.err(content)
    content = nil
  end
  content = content or DEFAULTS[status]
  if type(content) == "string" then
    content = { message = content }
  end
  return kong.response.exit(status, content, headers)
end


for name, status in pairs(NAMES) do
  responses["send_" .. name] = function(content, headers)
    return responses.send(status, content, headers)
  end
end

return responses
