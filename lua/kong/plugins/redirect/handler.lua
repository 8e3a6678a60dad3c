-- redirect: sends clients elsewhere.

local kong_meta = require "kong.meta"
local with_path = require "kong.plugins.redirect.location"

local kong = kong

local Redirect = {
  VERSION = kong_meta.version,
  PRIORITY = 779,
}


function Redirect:access(conf)
  local location = conf.location
  if conf.keep_incoming_path then
    location = with_path(location, kong.request.get_path(), kong.request.get_raw_query())
  end
  return kong.response.exit(conf.status_code, "redirecting", { Location = location })
end


return Redirect
