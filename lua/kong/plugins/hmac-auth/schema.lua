local typedefs = require "kong.db.schema.typedefs"

local ALGORITHMS = { "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512" }

local function flag(description)
  return { description = description, type = "boolean", required = true, default = false }
end

local config = {
  type = "record",
  fields = {
    { hide_credentials = flag "Whether the signature is removed before the request goes on." },
    { clock_skew = {
        description = "How many seconds a request's date may be off.", type = "number", default = 300, gt = 0,
    } },
    { anonymous = {
        description = "Id or username of the consumer that requests without a good signature act as. "
          .. "Without it they get a 401.",
        type = "string",
    } },
    { validate_request_body = flag "Whether the body must be the one that `Digest` tells." },
    { enforce_headers = {
        description = "Headers that must be signed.",
        type = "array", elements = { type = "string" }, default = {},
    } },
    { algorithms = {
        description = "Algorithms that signatures may be of.",
        type = "array", elements = { type = "string", one_of = ALGORITHMS }, default = ALGORITHMS,
    } },
    { realm = {
        description = "The realm that a 401 names in `WWW-Authenticate`.",
        type = "string", required = false,
    } },
  },
}

return {
  name = "hmac-auth",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = config },
  },
}
