-- The machine: processors, name, trusted certificates.

local TRUSTED = {
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

local infos

local _M = {}


local function output(command)
  local pipe = io.popen(command)
  local line = pipe and pipe:read("*l")
  if pipe then
    pipe:close()
  end
  return line
end


-- `cores` and `uname` of the machine.
function _M.get_system_infos()
  if not infos then
    local uname = output("uname -ms")
    infos = { cores = tonumber(output("getconf _NPROCESSORS_ONLN")), uname = uname and uname:gsub(";", ",") }
  end
  return infos
end


-- The file in which the system keeps the certificates it trusts.
function _M.get_system_trusted_certs_filepath()
  local exists = require("pl.path").exists
  for _, path in ipairs(TRUSTED) do
    if exists(path) then
      return path
    end
  end
  return nil, "Could not find trusted certs file in any of the `system`-predefined locations. "
              .. "Please install a certs file there or set `lua_ssl_trusted_certificate` to a "
              .. "specific file path instead of `system`"
end


return _M
