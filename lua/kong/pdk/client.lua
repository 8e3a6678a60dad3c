-- kong.client: who asks.

local http = require "kong.tools.http"
local phase_checker = require "kong.pdk.private.phases"
local uuid = require "kong.tools.uuid"

local ngx = ngx
local error, tonumber, type = error, tonumber, type
local check_phase, check_not_phase = phase_checker.check, phase_checker.check_not

local PHASES = phase_checker.phases
local AUTH_AND_LATER = phase_checker.new(PHASES.access, PHASES.header_filter, PHASES.response,
                                         PHASES.body_filter, PHASES.log)


local function new(self)
  local _CLIENT = {}


  function _CLIENT.get_credential()
    check_phase(AUTH_AND_LATER)
    return ngx.ctx.authenticated_credential
  end


  function _CLIENT.get_consumer()
    check_phase(AUTH_AND_LATER)
    return ngx.ctx.authenticated_consumer
  end


  function _CLIENT.get_ip()
    check_not_phase(PHASES.init_worker)
    local var = ngx.var
    return var.realip_remote_addr or var.remote_addr
  end


  function _CLIENT.get_forwarded_ip()
    check_not_phase(PHASES.init_worker)
    return ngx.var.remote_addr
  end


  function _CLIENT.get_port()
    check_not_phase(PHASES.init_worker)
    local var = ngx.var
    return tonumber(var.realip_remote_port or var.remote_port)
  end


  function _CLIENT.get_forwarded_port()
    check_not_phase(PHASES.init_worker)
    return tonumber(ngx.var.remote_port)
  end


  -- A consumer by id, or, if asked, by username.
  function _CLIENT.load_consumer(consumer_id, search_by_username)
    check_phase(AUTH_AND_LATER)
    if not consumer_id or type(consumer_id) ~= "string" then
      error("consumer_id must be a string", 2)
    end
    local is_id = uuid.is_valid_uuid(consumer_id)
    if not is_id and not search_by_username then
      error("cannot load a consumer with an id that is not a uuid", 2)
    end
    if is_id then
      local consumer, err = kong.db.consumers:select { id = consumer_id }
      if consumer or err then
        return consumer, err
      end
    end
    if search_by_username then
      return kong.db.consumers:select_by_username(consumer_id)
    end
  end


  local function check_entity(value, name)
    if value ~= nil and type(value) ~= "table" then
      error(name .. " must be a table or nil", 3)
    end
  end

  function _CLIENT.authenticate(consumer, credential)
    check_phase(PHASES.access)
    check_entity(consumer, "consumer")
    check_entity(credential, "credential")
    if consumer == nil and credential == nil then
      error("either credential or consumer must be provided", 2)
    end
    ngx.ctx.authenticated_consumer, ngx.ctx.authenticated_credential = consumer, credential
  end


  -- The protocol of the request among those of its route.
  function _CLIENT.get_protocol(allow_terminated)
    check_phase(AUTH_AND_LATER)
    local route = ngx.ctx.route
    if not route then
      return nil, "No active route found"
    elseif #route.protocols == 1 then
      return route.protocols[1]
    end
    local is_https, err = http.check_https(self.ip.is_trusted(_CLIENT.get_ip()), allow_terminated)
    if err then
      return nil, err
    end
    return is_https and "https" or "http"
  end


  return _CLIENT
end


return { new = new }
