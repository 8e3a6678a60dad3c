-- Who signs in with a cloud for a configuration: an AWS key that signs requests, or a service account of
-- Google Cloud.

local account = require "kong.llm.service_account"
local credentials = require "kong.plugins.aws-lambda.credentials"
local sign = require "kong.plugins.aws-lambda.signature"

local getenv, setmetatable = os.getenv, setmetatable

local REGION = getenv "AWS_REGION" or getenv "AWS_DEFAULT_REGION"
local GCP_ACCOUNT = getenv "GCP_SERVICE_ACCOUNT"
-- Milliseconds that credentials are waited for.
local TIMEOUT = 2000

local AwsKey = {}
AwsKey.__index = AwsKey


-- The headers that sign a request: `method`, `host`, `path` and `body`.
function AwsKey:sign(request)
  local known, err = credentials.of(self.conf, self.region)
  if not known then
    return nil, "failed to sign AWS request: " .. err
  end
  request.headers = {}
  sign(request, known, self.region, "bedrock")
  request.headers.Host = nil
  return request.headers
end


local function aws_key(conf)
  local options, auth = conf.model.options, conf.auth or {}
  local region = options and options.bedrock and options.bedrock.aws_region or REGION
  if not region then
    return nil, "AWS region not specified anywhere"
  end
  local both = auth.aws_access_key_id and auth.aws_secret_access_key
  return setmetatable({ region = region, conf = {
    aws_key = both and auth.aws_access_key_id,
    aws_secret = both and auth.aws_secret_access_key,
    aws_imds_protocol_version = "v2",
    timeout = TIMEOUT,
  } }, AwsKey)
end


-- The one for a configuration; nil when it needs none, and nil and an error when there should be one.
return function(conf)
  local provider, auth = conf.model.provider, conf.auth
  if provider == "bedrock" then
    return aws_key(conf)
  elseif provider == "gemini" and auth and auth.gcp_use_service_account then
    return account.of(auth.gcp_service_account_json or GCP_ACCOUNT)
  end
end
