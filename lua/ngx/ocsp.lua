-- ngx.ocsp: asking about the status of certificates, and giving it to clients.
local native = require "resty.openssl.native"
local set_status = require("ngx.ssl.native")._set_ocsp_status

local error, ngx = error, ngx
local sub = string.sub

-- The longest result where nothing else is asked for.
local LONGEST = 4096

local _M = { version = "0.1.28" }


-- The responder that the leaf of a DER chain names; nil where it names none.
function _M.get_ocsp_responder_from_der_chain(certs, maxlen)
  local url, err = native.ocsp_responder(certs)
  if url and #url > (maxlen or LONGEST) then
    return sub(url, 1, maxlen or LONGEST), "truncated"
  end
  return url, err
end


function _M.create_ocsp_request(certs, maxlen)
  local request, err = native.ocsp_request(certs)
  local most = maxlen or LONGEST
  if request and #request > most then
    return nil, "output buffer too small: " .. #request .. " > " .. most
  end
  return request, err
end


-- True and when the answer ends to be valid, in seconds since 1970, if it says so.
function _M.validate_ocsp_response(resp, chain, max_errmsg_len)
  local valid_until, err = native.ocsp_validate(resp, chain)
  if not valid_until then
    return nil, sub(err, 1, max_errmsg_len or LONGEST)
  end
  return true, valid_until ~= 0 and valid_until or nil
end


function _M.set_ocsp_status_resp(ocsp_resp)
  if ngx.get_phase() == "init" then
    error("no request found", 2)
  end
  return set_status(ocsp_resp)
end


return _M
