local get_rand_bytes = require("kong.tools.rand").get_rand_bytes
local typedefs = require "kong.db.schema.typedefs"

local ngx = ngx
local null = ngx.null

-- What a configuration without a secret gets: the same for all of them while the process lives.
local secret = ngx.encode_base64(get_rand_bytes(32)):gsub("[/+=]", { ["/"] = "0", ["+"] = "A", ["="] = "a" })

local function seconds(default, description)
  return { description = description, type = "number", default = default }
end

local function text(default, description)
  return { description = description, type = "string", default = default }
end

local function flag(default, description)
  return { description = description, type = "boolean", default = default }
end

local function headers(description)
  return { description = description, type = "set", elements = {
    type = "string",
    one_of = { "id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout",
               "absolute-timeout" },
  } }
end

-- A field of old configurations, and the one that has taken its place.
local function old(name, kind, successor, convert)
  return { [name] = {
    type = kind,
    func = function(value)
      if convert then
        value = convert(value)
      end
      return { [successor] = value }
    end,
  } }
end

local function zero_for_none(value)
  return value ~= nil and value ~= null and value or 0
end

local function lax_for_off(value)
  return value == "off" and "Lax" or value
end

local config = {
  type = "record",
  fields = {
    { secret = {
        description = "What sessions are encrypted with.",
        type = "string", required = false, default = secret, encrypted = true, referenceable = true,
    } },
    { storage = {
        description = "Where sessions are kept: encrypted in the cookie, or in the database.",
        type = "string", default = "cookie", one_of = { "cookie", "kong" },
    } },
    { audience = text("default", "The application that sessions are for.") },
    { idling_timeout = seconds(900, "Seconds that a session may be unused.") },
    { rolling_timeout = seconds(3600, "Seconds until a session must be renewed.") },
    { absolute_timeout = seconds(86400, "Seconds that a session lasts, renewed or not.") },
    { stale_ttl = seconds(10, "Seconds that a renewed session is good for in its former shape.") },
    { cookie_name = text("session", "The cookie's name.") },
    { cookie_path = text("/", "The path that the cookie is for.") },
    { cookie_domain = text(nil, "The domain that the cookie is for.") },
    { cookie_same_site = {
        description = "Whether requests from other sites come with the cookie.",
        type = "string", default = "Strict", one_of = { "Strict", "Lax", "None", "Default" },
    } },
    { cookie_http_only = flag(true, "Whether the cookie is kept from scripts.") },
    { cookie_secure = flag(true, "Whether the cookie goes over encrypted connections only.") },
    { remember = flag(false, "Whether sessions outlive the browser.") },
    { remember_cookie_name = text("remember", "The name of the cookie that outlives the browser.") },
    { remember_rolling_timeout = seconds(604800, "Seconds until such a session must be renewed.") },
    { remember_absolute_timeout = seconds(2592000, "Seconds that such a session lasts.") },
    { response_headers = headers "What the client is told of the session in headers." },
    { request_headers = headers "What the upstream is told of the session in headers." },
    { read_body_for_logout = { type = "boolean", default = false } },
    { logout_methods = {
        description = "Methods of requests that can end a session.",
        type = "set", default = { "POST", "DELETE" },
        elements = { type = "string", one_of = { "GET", "POST", "DELETE" } },
    } },
    { logout_query_arg = text("session_logout", "The query argument that ends a session.") },
    { logout_post_arg = text("session_logout", "The argument in the body that ends a session.") },
  },
  shorthand_fields = {
    old("cookie_lifetime", "number", "rolling_timeout"),
    old("cookie_idletime", "number", "idling_timeout", zero_for_none),
    { cookie_renew = {
        type = "number",
        func = function()
          ngx.log(ngx.INFO, "[session] cookie_renew option does not exists anymore")
        end,
    } },
    old("cookie_discard", "number", "stale_ttl"),
    old("cookie_samesite", "string", "cookie_same_site", lax_for_off),
    old("cookie_httponly", "boolean", "cookie_http_only"),
    old("cookie_persistent", "boolean", "remember"),
  },
}

return {
  name = "session",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols },
    { config = config },
  },
}
