-- cors: answers preflight requests and marks responses for cross-origin use (Fetch standard).

local kong_meta = require "kong.meta"

local kong, ngx = kong, ngx
local concat, ipairs, lower, match, next, setmetatable, sub, tostring =
  table.concat, ipairs, string.lower, string.match, next, setmetatable, string.sub, tostring
local re_find = ngx.re.find

local ALL_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
local PLAIN_ORIGIN = "^[A-Za-z0-9.:/-]+$"
local DEFAULT_PORTS = { http = "80", https = "443" }
local ORIGINS_KEPT = 10000

local Cors = {
  VERSION = kong_meta.version,
  PRIORITY = 2000,
}

-- What the origins of a configuration mean, computed at first use and kept as long as it.
local rules_of = setmetatable({}, { __mode = "k" })


-- An origin without the port its scheme implies, and its host; the text itself where it has none.
local function normalize(origin)
  local scheme, authority = match(origin, "^(%w[%w.+-]*)://([^/?#]*)")
  authority = authority or match(origin, "^//([^/?#]*)")
  if not authority then
    return { domain = origin, host = origin }
  end
  authority = match(authority, "@(.*)$") or authority
  local host, port = match(authority, "^(.-):(%d*)$")
  host = host or authority
  scheme = scheme and lower(scheme)
  if port == "" or port == DEFAULT_PORTS[scheme] then
    port = nil
  end
  return { host = host, domain = (scheme and scheme .. "://" or "") .. host .. (port and ":" .. port or "") }
end


-- Origins of requests in normal form. Forgotten all at once when there are too many.
local normalized, count = {}, 0

local function normalize_cached(origin)
  local known = normalized[origin]
  if not known then
    if count >= ORIGINS_KEPT then
      normalized, count = {}, 0
    end
    known, count = normalize(origin), count + 1
    normalized[origin] = known
  end
  return known
end


local function rule_of(origin)
  local by_host = not origin:find(":", 1, true)
  if not re_find(origin, "[^A-Za-z0-9.:/-]", "jo") then
    return { by_host = by_host, domain = normalize(origin).domain }
  end
  local regex = sub(origin, -1) == "$" and origin or origin .. "$"
  return { by_host = by_host, regex = sub(regex, 1, 1) == "^" and sub(regex, 2) or regex }
end


-- The rules of a configuration; `any` where one of its origins is "*".
local function rules_for(conf)
  local rules = rules_of[conf]
  if not rules then
    rules = {}
    for i, origin in ipairs(conf.origins) do
      rules.any = rules.any or origin == "*"
      rules[i] = rule_of(origin)
    end
    rules_of[conf] = rules
  end
  return rules
end


local function allowed(rule, origin)
  if not rule.regex then
    return rule.domain == origin.domain
  end
  local found, _, err = re_find(rule.by_host and origin.host or origin.domain, rule.regex, "ajo")
  if err then
    kong.log.err("could not search for domain: ", err)
  end
  return found
end


local function vary(after_upstream)
  local write = after_upstream and kong.response.add_header or kong.response.set_header
  write("vary", "Origin")
end


-- Sets Access-Control-Allow-Origin; true where it allows everyone.
local function allow_origin(conf, after_upstream)
  local origins = conf.origins
  local set_header = kong.response.set_header
  if not origins or #origins == 0 or (#origins == 1 and origins[1] == "*") then
    set_header("Access-Control-Allow-Origin", "*")
    return true
  end

  vary(after_upstream)
  if #origins == 1 and re_find(origins[1], PLAIN_ORIGIN, "jo") then
    set_header("Access-Control-Allow-Origin", origins[1])
    return false
  end

  local asked = kong.request.get_header("origin")
  if asked then
    local rules = rules_for(conf)
    if rules.any then
      set_header("Access-Control-Allow-Origin", "*")
      return true
    end
    local origin = normalize_cached(asked)
    for _, rule in ipairs(rules) do
      if allowed(rule, origin) then
        set_header("Access-Control-Allow-Origin", origin.domain)
        return false
      end
    end
  end
  kong.response.clear_header("Access-Control-Allow-Origin")
  return false
end


-- Credentials and "*" exclude each other: with both, the origin that asks is named.
local function allow_credentials(conf, everyone, after_upstream)
  if not conf.credentials then
    return
  end
  if everyone then
    local asked = kong.request.get_header("origin")
    if not asked then
      return
    end
    vary(after_upstream)
    kong.response.set_header("Access-Control-Allow-Origin", asked)
  end
  kong.response.set_header("Access-Control-Allow-Credentials", true)
end


local function is_preflight()
  return kong.request.get_method() == "OPTIONS"
         and kong.request.get_header("Origin")
         and kong.request.get_header("Access-Control-Request-Method")
end


local function allow_headers(conf)
  local headers = conf.headers and next(conf.headers) and concat(conf.headers, ",")
                  or kong.request.get_header("Access-Control-Request-Headers")
  if headers then
    kong.response.set_header("Access-Control-Allow-Headers", headers)
  else
    kong.response.clear_header("Access-Control-Allow-Headers")
  end
end


function Cors:access(conf)
  if not is_preflight() then
    return
  end
  kong.ctx.plugin.skip_response_headers = true
  if conf.preflight_continue then
    return
  end

  allow_credentials(conf, allow_origin(conf, false), false)
  allow_headers(conf)

  local set_header = kong.response.set_header
  set_header("Access-Control-Allow-Methods", conf.methods and concat(conf.methods, ",") or ALL_METHODS)
  if conf.max_age then
    set_header("Access-Control-Max-Age", tostring(conf.max_age))
  end
  if conf.private_network
     and kong.request.get_header("Access-Control-Request-Private-Network") == "true" then
    set_header("Access-Control-Allow-Private-Network", "true")
  end
  return kong.response.exit(200)
end


function Cors:header_filter(conf)
  if kong.ctx.plugin.skip_response_headers then
    return
  end
  allow_credentials(conf, allow_origin(conf, true), true)
  if conf.exposed_headers and next(conf.exposed_headers) then
    kong.response.set_header("Access-Control-Expose-Headers", concat(conf.exposed_headers, ","))
  end
end


return Cors
