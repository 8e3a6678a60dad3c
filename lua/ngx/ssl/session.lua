-- ngx.ssl.session: sessions are kept by the TLS library alone.
local error = error

local _M = { version = "0.1.28" }

for _, name in ipairs { "get_serialized_session", "get_session_id", "set_serialized_session" } do
  _M[name] = function()
    error("API disabled in the current context", 2)
  end
end

return _M
