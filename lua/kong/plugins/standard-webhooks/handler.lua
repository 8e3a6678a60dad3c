-- standard-webhooks: lets webhooks through that are signed with a secret, and are recent.

local internal = require "kong.plugins.standard-webhooks.internal"
local kong_meta = require "kong.meta"

local StandardWebhooks = {
  VERSION = kong_meta.version,
  PRIORITY = 760,
}


function StandardWebhooks:access(conf)
  return internal.access(conf)
end


return StandardWebhooks
