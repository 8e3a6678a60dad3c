-- Sessions as a configuration has them. What they hold: the ids of consumer and credential, and groups.

local resty_session = require "resty.session"
local storage = require "kong.plugins.session.storage.kong"

local kong = kong
local ipairs = ipairs

-- Settings that go by the same name in a configuration.
local SETTINGS = {
  "secret", "audience", "idling_timeout", "rolling_timeout", "absolute_timeout", "stale_ttl",
  "cookie_name", "cookie_path", "cookie_domain", "cookie_same_site", "cookie_http_only", "cookie_secure",
  "remember", "remember_cookie_name", "remember_rolling_timeout", "remember_absolute_timeout",
  "response_headers", "request_headers",
}

local MAY_HAVE_BODY = { DELETE = true, PATCH = true, POST = true, PUT = true }

local _M = {}


-- The session of the request or a new one; an error, and whether there was one.
function _M.open_session(conf)
  local settings = { storage = conf.storage == "kong" and storage or nil }
  for _, name in ipairs(SETTINGS) do
    settings[name] = conf[name]
  end
  return resty_session.open(settings)
end


function _M.get_session_data(session)
  local data = session and session:get_data()
  if data then
    return data[1], data[2], data[3]
  end
end


function _M.set_session_data(session, consumer_id, credential_id, groups)
  if session then
    session:set_data({ consumer_id, credential_id, groups })
  end
end


local function has_method(methods, method)
  for _, name in ipairs(methods or {}) do
    if name == method then
      return true
    end
  end
  return false
end


-- Whether the request asks for the session's end.
function _M.logout(conf)
  local method = kong.request.get_method()
  if not has_method(conf.logout_methods, method) then
    return false
  elseif conf.logout_query_arg and kong.request.get_query_arg(conf.logout_query_arg) then
    kong.log.debug("logout by query argument")
    return true
  elseif not conf.read_body_for_logout or not conf.logout_post_arg or not MAY_HAVE_BODY[method] then
    return false
  end
  local body = kong.request.get_body()
  if body and body[conf.logout_post_arg] then
    kong.log.debug("logout by post argument")
    return true
  end
  return false
end


return _M
