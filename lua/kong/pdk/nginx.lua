-- kong.nginx: the server's own figures.

local native = require "kong.native"

local _NGINX = {}


function _NGINX.get_subsystem()
  return ngx.config.subsystem
end


-- Connections and requests of this worker process, by the names of nginx's stub_status.
function _NGINX.get_statistics()
  return native.statistics()
end


return { new = function() return _NGINX end }
