-- ngx.ssl.clienthello: the phase in which it works is nginx's own; in those of plugins it throws.
local error, ipairs, ngx = error, ipairs, ngx

local _M = { version = "0.1.28" }

for _, name in ipairs {
  "get_client_hello_ciphers", "get_client_hello_ext", "get_client_hello_ext_present",
  "get_client_hello_server_name", "get_supported_versions", "set_protocols",
} do
  _M[name] = function()
    if ngx.get_phase() == "init" then
      error("no request found", 2)
    end
    error("API disabled in the current context", 2)
  end
end

return _M
