-- Signing requests for AWS: Signature Version 4.

local mac = require "resty.openssl.mac"
local sha256_hex = require("kong.tools.sha256").sha256_hex
local to_hex = require("resty.string").to_hex

local ngx = ngx
local byte, concat, date, fmt, gsub, lower, sort, tostring =
  string.byte, table.concat, os.date, string.format, string.gsub, string.lower, table.sort, tostring
local pairs = pairs


local function hmac(key, text)
  return mac.new(key, "HMAC", nil, "sha256"):final(text)
end


local function escape(char)
  return fmt("%%%02X", byte(char))
end


-- Each segment of a path is escaped twice: as it is sent, and again.
local function canonical_path(path)
  return (gsub(path, "[^%w%-._~/]", escape))
end


-- Header names in order, and their lines.
local function canonical_headers(headers)
  local names, values, lines = {}, {}, {}
  for name, value in pairs(headers) do
    names[#names + 1] = lower(name)
    values[lower(name)] = tostring(value)
  end
  sort(names)
  for i, name in pairs(names) do
    lines[i] = name .. ":" .. values[name] .. "\n"
  end
  return concat(names, ";"), concat(lines)
end


-- Adds what AWS knows the caller by to the headers of `request`: `method`, `path`, `query`, `host`,
-- `headers`, `body`. The credentials have `key`, `secret` and maybe `token`.
return function(request, credentials, region, service)
  local headers, time = request.headers, ngx.time()
  local stamp, day = date("!%Y%m%dT%H%M%SZ", time), date("!%Y%m%d", time)
  headers.Host, headers["X-Amz-Date"] = request.host, stamp
  headers["X-Amz-Security-Token"] = credentials.token

  local names, lines = canonical_headers(headers)
  local canonical = concat({ request.method, canonical_path(request.path), request.query or "", lines, names,
                             sha256_hex(request.body) }, "\n")
  local scope = concat({ day, region, service, "aws4_request" }, "/")
  local text = concat({ "AWS4-HMAC-SHA256", stamp, scope, sha256_hex(canonical) }, "\n")
  local key = hmac(hmac(hmac(hmac("AWS4" .. credentials.secret, day), region), service), "aws4_request")
  headers.Authorization = fmt("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                              credentials.key, scope, names, to_hex(hmac(key, text)))
end
