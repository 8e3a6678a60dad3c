-- Where the access key comes from: the configuration, the environment, a web identity, the container, or the
-- instance; and the role that is assumed with it. What ends is renewed a little before.

local cjson = require "cjson.safe"
local http = require "resty.http"
local sign = require "kong.plugins.aws-lambda.signature"

local kong, ngx = kong, ngx
local concat, fmt, getenv, io_open, ipairs, match, pairs, tonumber =
  table.concat, string.format, os.getenv, io.open, ipairs, string.match, pairs, tonumber
local encode_args = ngx.encode_args

local METADATA = "http://169.254.169.254"
local ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
-- Milliseconds to reach the metadata service; seconds before the end that credentials are renewed, and that
-- those are kept that tell no end.
local TIMEOUT, EARLY, UNKNOWN_LIFE = 2000, 60, 300

-- What AWS Lambda, ECS and EKS set.
local ENVIRONMENT = {}
for _, name in ipairs { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN" } do
  ENVIRONMENT[name] = getenv(name)
end

local _M = {}


local function get(uri, options)
  local client = http.new()
  client:set_timeout(TIMEOUT)
  local response, err = client:request_uri(uri, options)
  if not response then
    return nil, err
  elseif response.status ~= 200 then
    return nil, uri .. " answered " .. response.status
  end
  return response.body
end


-- Seconds since 1970 of a time as AWS writes it.
local function seconds_of(time)
  local year, month, day, hour, minute, second = match(time or "", "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not year then
    return ngx.time() + UNKNOWN_LIFE
  end
  year, month = tonumber(year), tonumber(month)
  local before = (14 - month - (14 - month) % 12) / 12
  local y, m = year + 4800 - before, month + 12 * before - 3
  local days = day + (153 * m + 2 - (153 * m + 2) % 5) / 5 + 365 * y + (y - y % 4) / 4 - (y - y % 100) / 100
               + (y - y % 400) / 400 - 32045 - 2440588
  return days * 86400 + hour * 3600 + minute * 60 + second
end


local function from_json(text)
  local found = cjson.decode(text or "")
  if not found or not found.AccessKeyId then
    return nil, "no credentials in the answer"
  end
  return { key = found.AccessKeyId, secret = found.SecretAccessKey, token = found.Token,
           ends = seconds_of(found.Expiration) }
end


-- ---- sources --------------------------------------------------------------------------------

local function from_environment()
  local key, secret = ENVIRONMENT.AWS_ACCESS_KEY_ID, ENVIRONMENT.AWS_SECRET_ACCESS_KEY
  if key and secret then
    return { key = key, secret = secret, token = ENVIRONMENT.AWS_SESSION_TOKEN }
  end
end


local function from_container()
  local path = ENVIRONMENT.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
  local uri = path and "http://169.254.170.2" .. path or ENVIRONMENT.AWS_CONTAINER_CREDENTIALS_FULL_URI
  if not uri then
    return nil
  end
  local text, err = get(uri, { headers = { Authorization = ENVIRONMENT.AWS_CONTAINER_AUTHORIZATION_TOKEN } })
  if not text then
    return nil, err
  end
  return from_json(text)
end


local function from_instance(conf)
  local headers = {}
  if conf.aws_imds_protocol_version == "v2" then
    local token, err = get(METADATA .. "/latest/api/token", {
      method = "PUT", headers = { ["X-aws-ec2-metadata-token-ttl-seconds"] = "60" },
    })
    if not token then
      return nil, err
    end
    headers["X-aws-ec2-metadata-token"] = token
  end
  local role, err = get(METADATA .. ROLE_PATH, { headers = headers })
  local text
  if role then
    text, err = get(METADATA .. ROLE_PATH .. match(role, "^%S*"), { headers = headers })
  end
  if not text then
    return nil, err
  end
  return from_json(text)
end


-- ---- roles ----------------------------------------------------------------------------------

local function tag(text, name)
  return match(text, "<" .. name .. ">([^<]*)</" .. name .. ">")
end


-- Asks the Security Token Service for the key of a role; signed, where there are credentials.
local function ask_sts(conf, region, parameters, credentials)
  local uri = conf.aws_sts_endpoint_url or fmt("https://sts.%s.amazonaws.com", region)
  parameters.Version = "2011-06-15"
  local request = { method = "POST", path = "/", host = match(uri, "^%a+://([^/]+)"),
                    body = encode_args(parameters),
                    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }
  if credentials then
    sign(request, credentials, region, "sts")
  end
  local client = http.new()
  client:set_timeout(conf.timeout)
  local response, err = client:request_uri(uri, {
    method = "POST", path = "/", headers = request.headers, body = request.body, ssl_verify = false,
    proxy_opts = conf.proxy_url and { http_proxy = conf.proxy_url, https_proxy = conf.proxy_url } or nil,
  })
  if not response then
    return nil, err
  elseif response.status ~= 200 then
    return nil, "unable to assume the role: " .. (tag(response.body, "Message") or response.status)
  end
  return { key = tag(response.body, "AccessKeyId"), secret = tag(response.body, "SecretAccessKey"),
           token = tag(response.body, "SessionToken"), ends = seconds_of(tag(response.body, "Expiration")) }
end


local function from_web_identity(conf, region)
  local path, role = ENVIRONMENT.AWS_WEB_IDENTITY_TOKEN_FILE, ENVIRONMENT.AWS_ROLE_ARN
  if not path or not role then
    return nil
  end
  local file, err = io_open(path)
  if not file then
    return nil, err
  end
  local token = file:read("*a")
  file:close()
  return ask_sts(conf, region, {
    Action = "AssumeRoleWithWebIdentity", RoleArn = role, WebIdentityToken = token,
    RoleSessionName = ENVIRONMENT.AWS_ROLE_SESSION_NAME or "kong",
  })
end


-- ---- finding them ---------------------------------------------------------------------------

local function find_own(conf, region)
  if conf.aws_key then
    return { key = conf.aws_key, secret = conf.aws_secret }
  end
  local problems = {}
  for _, source in ipairs { from_environment, from_web_identity, from_container, from_instance } do
    local found, err = source(conf, region)
    if found then
      return found
    end
    problems[#problems + 1] = err
  end
  return nil, "no AWS credentials found: " .. concat(problems, "; ")
end


local function find(conf, region)
  local credentials, err = find_own(conf, region)
  if credentials and conf.aws_assume_role_arn then
    return ask_sts(conf, region, {
      Action = "AssumeRole", RoleArn = conf.aws_assume_role_arn, RoleSessionName = conf.aws_role_session_name,
    }, credentials)
  end
  return credentials, err
end


-- What credentials hang on, of a configuration.
local FIELDS = { "aws_key", "aws_secret", "aws_assume_role_arn", "aws_role_session_name",
                 "aws_sts_endpoint_url", "proxy_url", "aws_imds_protocol_version" }

local kept = {}

-- Credentials for a configuration: `key`, `secret` and maybe `token`; nil and an error.
function _M.of(conf, region)
  local parts = { region }
  for i, name in pairs(FIELDS) do
    parts[i + 1] = conf[name] or ""
  end
  local id = concat(parts, "\n")
  local known = kept[id]
  if known and (not known.ends or known.ends - EARLY > ngx.time()) then
    return known
  end
  local found, err = find(conf, region)
  if not found then
    return nil, err
  end
  kept[id] = found
  kong.log.debug("found AWS credentials")
  return found
end


return _M
