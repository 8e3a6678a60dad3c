-- acl: lets through, or holds back, who belongs to one of some groups.

local constants = require "kong.constants"
local each = require "kong.pdk.private.each"
local groups = require "kong.plugins.acl.groups"
local kong_meta = require "kong.meta"

local kong = kong
local concat, error = table.concat, error

local HEADERS = constants.HEADERS
local NONE = { list = {}, set = {} }

local ERR_REFUSED = "You cannot consume this service"

local Acl = {
  VERSION = kong_meta.version,
  PRIORITY = 950,
}


local function refuse(credential)
  if credential then
    return kong.response.error(403, ERR_REFUSED)
  end
  return kong.response.error(401)
end


local function in_set(name, set)
  return set[name]
end


local function denies(conf)
  return conf.deny and conf.deny[1] ~= nil
end


local function is_let_through(conf, belongs_to)
  if denies(conf) then
    return not each(conf.deny, in_set, belongs_to.set)
  end
  return each(conf.allow, in_set, belongs_to.set)
end


-- The groups of the request, and the header that names them. nil when it has none.
local function find_groups(conf, consumer_id, credential)
  if not (consumer_id and credential) or conf.always_use_authenticated_groups then
    local found = groups.authenticated()
    if found or not consumer_id then
      return found, HEADERS.AUTHENTICATED_GROUPS
    end
  end
  local found, err = groups.of_consumer(consumer_id)
  if err then
    return error(err)
  end
  return found or denies(conf) and NONE or nil, HEADERS.CONSUMER_GROUPS
end


function Acl:access(conf)
  local consumer, credential = kong.client.get_consumer(), kong.client.get_credential()
  local consumer_id = consumer and consumer.id or credential and credential.consumer_id
  local belongs_to, header = find_groups(conf, consumer_id, credential)
  if not belongs_to then
    return refuse(credential)
  elseif not is_let_through(conf, belongs_to) then
    return kong.response.error(403, ERR_REFUSED)
  elseif not conf.hide_groups_header then
    kong.service.request.set_header(header, concat(belongs_to.list, ", "))
  end
end


return Acl
