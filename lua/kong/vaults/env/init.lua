-- The vault of environment variables, for vaults that build on it; references to it are answered by the host.

local getenv, gsub, upper = os.getenv, string.gsub, string.upper

local ENV = { VERSION = "1.0.0" }


function ENV.init() end


--- The variable of a resource, whose name begins with `config.prefix`: in upper case, dashes as underscores.
function ENV.get(config, resource)
  local name = (config and config.prefix or "") .. resource
  return getenv(upper((gsub(name, "-", "_"))))
end


return ENV
