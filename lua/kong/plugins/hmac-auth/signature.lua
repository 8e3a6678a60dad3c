-- Signatures of requests, after the draft of signed HTTP messages (draft-cavage-http-signatures).

local mac = require "resty.openssl.mac"
local split = require("kong.tools.string").split

local kong = kong
local concat, fmt, lower = table.concat, string.format, string.lower
local decode_base64, match = ngx.decode_base64, ngx.re.match

local FORM = [[[Hh]mac\s*username="(.+)",\s*algorithm="(.+)",\s*headers="(.+)",\s*signature="(.+)"]]

local DIGESTS = { ["hmac-sha1"] = "sha1", ["hmac-sha256"] = "sha256",
                  ["hmac-sha384"] = "sha384", ["hmac-sha512"] = "sha512" }

local _M = {}


-- What a header's value says: `username`, `algorithm`, `headers` as a list, `signature`. nil if it is none.
function _M.parse(value)
  local parts, err = match(value, FORM, "oj")
  if not parts then
    return err and kong.log.err(err) or nil
  end
  return { username = parts[1], algorithm = parts[2], headers = split(parts[3], " "), signature = parts[4] }
end


-- The line that is signed for a header, or for one of two names that stand for the request's first line.
local function line_for(name)
  local request = kong.request
  local value = request.get_header(name)
  if value then
    return name .. ": " .. value
  elseif name == "@request-target" then
    return name .. ": " .. lower(request.get_method()) .. " " .. request.get_path_with_query()
  elseif name == "request-line" then
    return fmt("%s %s HTTP/%.1f", request.get_method(), request.get_path_with_query(),
               request.get_http_version())
  end
  return name .. ":"
end


-- Whether the request was signed with this secret.
function _M.verify(claimed, secret)
  local lines = {}
  for i = 1, #claimed.headers do
    lines[i] = line_for(claimed.headers[i])
  end
  local digest = DIGESTS[claimed.algorithm]
  local expected = mac.new(secret, "HMAC", nil, digest):final(concat(lines, "\n"))
  return expected == decode_base64(claimed.signature)
end


return _M
