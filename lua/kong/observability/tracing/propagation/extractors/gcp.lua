-- Google Cloud: `x-cloud-trace-context`.

local extractor = require "kong.observability.tracing.propagation.extractor"
local from_dec = require("resty.openssl.bn").from_dec
local from_hex = require("kong.observability.tracing.propagation.utils").from_hex

local kong = kong
local type = type
local re_match = ngx.re.match


return extractor({ "x-cloud-trace-context" }, function(headers)
  local value = headers["x-cloud-trace-context"]
  if type(value) ~= "string" then
    return nil
  end
  local found, err = re_match(value, "^([0-9a-f]{32})/([0-9]{1,20})(?:;o=([0-9]))?$", "jo")
  if not found then
    return kong.log.warn("invalid GCP header" .. (err and ": " .. err or "") .. "; ignoring.")
  end
  return { trace_id = from_hex(found[1]), span_id = from_dec(found[2]):to_binary(),
           should_sample = found[3] == "1" }
end)
