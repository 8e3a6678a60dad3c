local typedefs = require "kong.db.schema.typedefs"

local function text(description)
  return { description = description, type = "string" }
end

local function secret(description)
  return { description = description, type = "string", encrypted = true, referenceable = true }
end

local function flag(default, description)
  return { description = description, type = "boolean", default = default }
end

local function milliseconds(description)
  return { description = description, type = "number", required = true, default = 60000 }
end

local function choice(allowed, description)
  return { description = description, type = "string", required = true, default = allowed[1],
           one_of = allowed }
end

local function check_proxy(entity)
  local url = entity.config and entity.config.proxy_url
  local scheme = type(url) == "string" and url:match("^([^:]+)://")
  if scheme and scheme ~= "http" then
    return nil, "proxy_url scheme must be http"
  end
  return true
end

local role_session_name = text "The name that the assumed role's session gets."
role_session_name.default = "kong"

local log_type = choice({ "Tail", "None" }, "Whether AWS tells the end of the function's log.")

local config = {
  type = "record",
  fields = {
    { timeout = milliseconds "Milliseconds to connect, to send and to receive, each." },
    { keepalive = milliseconds "Milliseconds that an idle connection is kept." },
    { aws_key = secret "The id of the access key; without it, that of the environment." },
    { aws_secret = secret "The secret of the access key." },
    { aws_assume_role_arn = secret "The role to assume." },
    { aws_role_session_name = role_session_name },
    { aws_sts_endpoint_url = typedefs.url },
    { aws_region = typedefs.host },
    { function_name = text "The function's name or ARN." },
    { qualifier = text "The function's version or alias." },
    { invocation_type = choice({ "RequestResponse", "Event", "DryRun" }, "How the function is called.") },
    { log_type = log_type },
    { host = typedefs.host },
    { port = typedefs.port { default = 443 } },
    { disable_https = { type = "boolean", default = false } },
    { unhandled_status = {
        description = "The status where the function failed, instead of that of the call.",
        type = "integer", between = { 100, 999 },
    } },
    { forward_request_method = flag(false, "Whether the function gets the method.") },
    { forward_request_uri = flag(false, "Whether the function gets path and query.") },
    { forward_request_headers = flag(false, "Whether the function gets the headers.") },
    { forward_request_body = flag(false, "Whether the function gets the body.") },
    { is_proxy_integration = flag(false, "Whether the function answers status, headers and body.") },
    { awsgateway_compatible = flag(false, "Whether the function gets what Amazon's API gateway gives it.") },
    { proxy_url = typedefs.url },
    { skip_large_bodies = flag(true, "Whether bodies that are not in memory are left out.") },
    { base64_encode_body = flag(true, "Whether bodies are encoded in Base64.") },
    { aws_imds_protocol_version = choice({ "v1", "v2" }, "The version of the instance metadata service.") },
    { empty_arrays_mode = choice({ "legacy", "correct" },
        "Whether empty arrays are answered as objects, as they always were, or as arrays.") },
  },
}

return {
  name = "aws-lambda",
  fields = { { protocols = typedefs.protocols_http }, { config = config } },
  entity_checks = {
    { mutually_required = { "config.aws_key", "config.aws_secret" } },
    { custom_entity_check = { field_sources = { "config.proxy_url" }, fn = check_proxy } },
  },
}
