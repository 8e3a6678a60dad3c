-- ip-restriction: lets through, or holds back, clients by their address.

local ipmatcher = require "resty.ipmatcher"
local kong_meta = require "kong.meta"

local kong, ngx = kong, ngx
local error, setmetatable = error, setmetatable

local ERR_REFUSED = "IP address not allowed: "
local ERR_NO_ADDRESS = "Cannot identify the client IP address, unix domain sockets are not supported."

local IpRestriction = {
  VERSION = kong_meta.version,
  PRIORITY = 990,
}

-- Matchers by the list of a configuration, as long as that is in use.
local matchers = setmetatable({}, { __mode = "k" })


-- Whether an address, in network byte order, is in a list. nil where the list is empty.
local function is_in(list, address)
  if not list or list[1] == nil then
    return nil
  end
  local matcher, found, err = matchers[list]
  if not matcher then
    matcher, err = ipmatcher.new(list)
    if not matcher then
      return error("failed to create a new ipmatcher instance: " .. err)
    end
    matchers[list] = matcher
  end
  found, err = matcher:match_bin(address)
  if err then
    return error("invalid binary ip address: " .. err)
  end
  return found and true or false
end


local function refuse(status, message)
  kong.log.warn(message)
  return kong.response.error(status, message)
end


local function check(_, conf)
  local address = ngx.var.binary_remote_addr
  if not address then
    return refuse(403, ERR_NO_ADDRESS)
  elseif is_in(conf.deny, address) or is_in(conf.allow, address) == false then
    return refuse(conf.status or 403, conf.message or ERR_REFUSED .. ngx.var.remote_addr)
  end
end


IpRestriction.access = check
IpRestriction.preread = check

return IpRestriction
