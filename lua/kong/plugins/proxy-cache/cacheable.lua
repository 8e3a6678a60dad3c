-- Which requests are answered from the cache, and which responses go there.

local http = require "kong.tools.http"
local mime_type = require "kong.tools.mime_type"
local table_contains = require("kong.tools.table").table_contains

local kong, ngx = kong, ngx
local ipairs, pairs, type = ipairs, pairs, type
local parse_mime_type = mime_type.parse_mime_type

local _M = {}


function _M.is_request(conf, directives)
  if not table_contains(conf.request_method, kong.request.get_method()) then
    return false
  end
  return not (conf.cache_control and (directives["no-store"] or directives["no-cache"]))
end


local function has_all(parameters, others)
  for name, value in pairs(others or {}) do
    if not parameters or parameters[name] ~= value then
      return false
    end
  end
  return true
end


local function is_of_type(conf, content_type)
  local kind, subtype, parameters = parse_mime_type(content_type)
  for _, wanted in ipairs(conf.content_type) do
    local wanted_kind, wanted_subtype, wanted_parameters = parse_mime_type(wanted)
    if wanted_kind and (wanted_kind == "*" or wanted_kind == kind)
       and (wanted_subtype == "*" or wanted_subtype == subtype)
       and has_all(parameters, wanted_parameters) and has_all(wanted_parameters, parameters) then
      return true
    end
  end
  return false
end


function _M.is_response(conf, directives)
  if not table_contains(conf.response_code, kong.response.get_status()) then
    return false
  end
  local content_type = ngx.var.sent_http_content_type
  if type(content_type) ~= "string" or content_type == "" or not is_of_type(conf, content_type) then
    return false
  elseif not conf.cache_control then
    return true
  end
  return not (directives.private or directives["no-store"] or directives["no-cache"])
         and http.calculate_resource_ttl(directives) > 0
end


-- Whether a kept response is as fresh as the client wants it, or as the configuration does.
function _M.is_fresh(conf, directives, kept)
  local age = ngx.time() - kept.timestamp
  if not conf.cache_control then
    return age <= conf.cache_ttl
  end
  local max_age, max_stale = directives["max-age"], directives["max-stale"]
  local min_fresh = directives["min-fresh"]
  return not (max_age and age > max_age or max_stale and age - kept.ttl > max_stale
              or min_fresh and kept.ttl - age < min_fresh)
end


return _M
