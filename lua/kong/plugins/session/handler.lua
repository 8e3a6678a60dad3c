-- session: who authenticated once goes on with a cookie.

local authentication = require "kong.tools.authentication"
local constants = require "kong.constants"
local kong_meta = require "kong.meta"
local sessions = require "kong.plugins.session.session"

local kong, ngx = kong, ngx
local assert, concat, type = assert, table.concat, type

local GROUPS = constants.HEADERS.AUTHENTICATED_GROUPS

local Session = {
  VERSION = kong_meta.version,
  PRIORITY = 1900,
}


local function why(err)
  return err and " (" .. err .. ")" or ""
end


-- Runs a method of the session; its failure is not the client's.
local function try(session, method)
  local ok, err = session[method](session)
  if not ok then
    kong.log.warn("session ", method, " failed", why(err))
  end
end


local function accept(consumer, credential_id, groups)
  if groups then
    kong.service.request.set_header(GROUPS, concat(groups, ", "))
    ngx.ctx.authenticated_groups = groups
  else
    kong.service.request.clear_header(GROUPS)
  end
  local credential = credential_id and { id = credential_id, consumer_id = consumer.id } or nil
  authentication.accept(consumer, credential, credential_id)
end


function Session:access(conf)
  local session, err, exists = sessions.open_session(conf)
  if not exists then
    return kong.log.debug("session not present", why(err))
  elseif sessions.logout(conf) then
    kong.log.debug("session logging out")
    try(session, "logout")
    return kong.response.exit(200)
  end

  local consumer_id, credential_id, groups = sessions.get_session_data(session)
  local consumer
  consumer, err = authentication.load_consumer(consumer_id)
  if err then
    return kong.log.err("could not load consumer: ", err)
  elseif not consumer then
    kong.log.debug("failed to find consumer, destroying session")
    return try(session, "logout")
  end

  try(session, "refresh")
  session:set_headers()
  kong.ctx.shared.authenticated_session = session
  accept(consumer, credential_id, groups)
end


-- Saves who authenticated in this request, unless the session has it.
function Session:header_filter(conf)
  local credential, consumer = kong.client.get_credential(), kong.client.get_consumer()
  if not credential then
    return kong.log.debug("anonymous: no credential")
  end
  local session = kong.ctx.shared.authenticated_session
  local known_consumer, known_credential = sessions.get_session_data(session)
  if not consumer or session and known_consumer == consumer.id and known_credential == credential.id then
    return
  end

  local groups = ngx.ctx.authenticated_groups
  assert(groups == nil or type(groups) == "table", "invalid authenticated_groups, a table was expected")
  session = session or sessions.open_session(conf)
  sessions.set_session_data(session, consumer.id, credential.id or consumer.id, groups)
  session:set_subject(consumer.username or consumer.custom_id or consumer.id)
  local ok, err = session:save()
  if not ok then
    kong.log.err("session save failed", why(err))
  end
  session:set_response_headers()
end


return Session
