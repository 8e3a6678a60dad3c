-- request-size-limiting: refuses requests with large bodies.

local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"
local strip = require("kong.tools.string").strip

local kong, ngx = kong, ngx
local io_open, lower, tonumber, type = io.open, string.lower, tonumber, type

local ERR_TOO_LARGE = "Request size limit exceeded"
local ERR_NO_LENGTH = "A valid Content-Length header is required"

local RequestSizeLimiting = {
  VERSION = kong_meta.version,
  PRIORITY = 951,
  size_units = { "megabytes", "kilobytes", "bytes" },
  unit_multiplication_factor = { bytes = 1, kilobytes = 2 ^ 10, megabytes = 2 ^ 20 },
}


-- The length that the request states, in bytes; nil where it states none, or several.
local function stated_length()
  return tonumber(lookup.header("content-length"), 10)
end


-- The length of the body that the request came with, in bytes.
local function actual_length()
  local body = kong.request.get_raw_body()
  if body then
    return #body
  end
  local path = ngx.req.get_body_file()
  local file = path and io_open(path, "rb")
  if not file then
    kong.log.warn("missing request body")
    return 0
  end
  local length = file:seek("end")
  file:close()
  return length
end


-- Who waits for leave to send a body (RFC 9110, 10.1.1) is told that there is no use in it.
local function refuse()
  local expectation = lookup.header("expect")
  local waits = type(expectation) == "string" and strip(lower(expectation)) == "100-continue"
  return kong.response.error(waits and 417 or 413, ERR_TOO_LARGE)
end


function RequestSizeLimiting:access(conf)
  local length = stated_length()
  if not length then
    if conf.require_content_length and lookup.header("transfer-encoding") ~= "chunked" then
      return kong.response.error(411, ERR_NO_LENGTH)
    end
    length = actual_length()
  end
  if length > conf.allowed_payload_size * self.unit_multiplication_factor[conf.size_unit] then
    return refuse()
  end
end


return RequestSizeLimiting
