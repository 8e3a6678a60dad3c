-- ngx.ocsp: stapling is done where the gateway's certificates are; here is no handshake to add to.
local ngx = ngx
local error, ipairs = error, ipairs

local _M = { version = "0.1.29" }

for _, name in ipairs {
  "create_ocsp_request", "get_ocsp_responder_from_der_chain", "set_ocsp_status_resp",
  "validate_ocsp_response",
} do
  _M[name] = function()
    if ngx.get_phase() == "init" then
      error("no request found", 2)
    end
    return nil, "OCSP is not supported by this gateway"
  end
end

return _M
