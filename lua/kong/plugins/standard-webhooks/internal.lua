-- Checking and signing webhooks as the Standard Webhooks specification (version 1, symmetric) has it.

local lookup = require "kong.pdk.private.lookup"
local mac = require "resty.openssl.mac"

local kong, ngx = kong, ngx
local concat, tonumber, type = table.concat, tonumber, type
local encode_base64 = ngx.encode_base64

local _M = {}


local function header(name)
  local value = lookup.header(name)
  return type(value) == "table" and value[1] or value
end


-- The signature of a message; nil and an error when the library cannot make it.
function _M.sign(secret, id, timestamp, payload)
  local signed, err = mac.new(secret, "HMAC", nil, "sha256")
  if signed then
    signed, err = signed:final(concat({ id, timestamp, payload }, "."))
  end
  if not signed then
    return nil, err
  end
  return "v1," .. encode_base64(signed)
end


-- What is wrong with the request as a webhook; nothing if it is a good one.
local function fault(conf)
  local id, signature, time = header("webhook-id"), header("webhook-signature"), header("webhook-timestamp")
  if not (id and signature and time) then
    return "missing required headers"
  end
  -- one that is no number is of the distant past
  time = tonumber(time) or 0
  if ngx.now() - time > conf.tolerance_second then
    return "timestamp tolerance exceeded"
  end
  local body = kong.request.get_raw_body()
  if not body or body == "" then
    return "missing required body"
  end
  local expected, err = _M.sign(conf.secret_v1, id, time, body)
  if not expected then
    kong.log.err(err)
    return "signature cannot be made"
  end
  return signature ~= expected and "signature not matched" or nil
end


function _M.access(conf)
  local reason = fault(conf)
  if reason then
    kong.log.debug(reason)
    return kong.response.error(400)
  end
end


return _M
