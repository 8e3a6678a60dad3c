-- kong.service.response: what the upstream answered.

local checks = require "kong.pdk.private.checks"
local cjson = require "kong.tools.cjson"
local native = require "kong.native"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local error, find, getmetatable, gsub, lower, pairs, setmetatable, sub, type =
  error, string.find, getmetatable, string.gsub, string.lower, pairs, setmetatable, string.sub, type
local check_phase = phase_checker.check

local PHASES = phase_checker.phases
local ANSWERED = phase_checker.new(PHASES.response, PHASES.header_filter, PHASES.body_filter, PHASES.log)

local FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
local ERR_UNBUFFERED = "service body is only available with buffered proxying "
                       .. "(see: kong.service.request.enable_buffering function)"

local _RESPONSE = {}

local decode = {}

decode[FORM] = function(body, _, max_args)
  if max_args ~= nil then
    checks.check_limit("max_args", max_args, 4)
  end
  return ngx.decode_args(body, max_args or 100)
end

decode[JSON] = function(body)
  local value = cjson.decode_with_array_mt(body)
  if type(value) ~= "table" then
    return nil, "invalid json body"
  end
  return value
end

decode[MULTIPART] = function(body, content_type)
  local parts = require("multipart")(body, content_type)
  if not parts then
    return nil, "unable to decode multipart body"
  end
  local fields = parts:get_all_with_arrays()
  if not fields then
    return nil, "unable to read multipart values"
  end
  return fields
end


local function check_buffered()
  if not native.is_buffered() then
    error(ERR_UNBUFFERED, 3)
  end
end


-- The upstream's status; nil where no upstream answered.
function _RESPONSE.get_status()
  check_phase(ANSWERED)
  return native.upstream_status()
end


-- Headers of a buffered response: found in any spelling, and not to be walked through.
local function found_by_name(headers)
  return setmetatable({}, {
    __index = function(_, name)
      if type(name) == "string" then
        return headers[(lower(name):gsub("_", "-"))]
      end
    end,
  })
end

-- Where the response streams its headers are those to the client so far; looked up by name are only those
-- that the upstream sent too.
local find_in_response
local received_only = {
  __index = function(headers, name)
    if type(name) == "string" and not ngx.var["upstream_http_" .. lower(gsub(name, "-", "_"))] then
      return nil
    end
    return find_in_response(headers, name)
  end,
}

local function streamed(headers, err)
  find_in_response = find_in_response or getmetatable(headers).__index
  return setmetatable(headers, received_only), err
end

-- How many headers are read where nothing is asked.
local function default_limit()
  return kong and kong.configuration and kong.configuration.lua_max_resp_headers or 100
end


-- The upstream's headers by their names in lower case; any spelling finds them.
function _RESPONSE.get_headers(max_headers)
  check_phase(ANSWERED)
  if max_headers ~= nil then
    checks.check_limit("max_headers", max_headers)
  end
  if not native.is_buffered() then
    return streamed(ngx.resp.get_headers(max_headers))
  end
  local headers, truncated = native.upstream_headers(max_headers or default_limit())
  return found_by_name(headers), truncated and "truncated" or nil
end


function _RESPONSE.get_header(name)
  check_phase(ANSWERED)
  if type(name) ~= "string" then
    error("name must be a string", 2)
  end
  local value = _RESPONSE.get_headers()[name]
  if type(value) == "table" then
    return value[1]
  end
  return value
end


function _RESPONSE.get_raw_body()
  check_phase(ANSWERED)
  check_buffered()
  return native.response_body()
end


function _RESPONSE.get_body(mimetype, max_args)
  check_phase(ANSWERED)
  check_buffered()
  local content_type = mimetype or _RESPONSE.get_header("Content-Type")
  if not content_type then
    return nil, "missing content type"
  end
  local at = find(content_type, ";", 1, true)
  local media = lower(at and sub(content_type, 1, at - 1) or content_type)
  for kind, decoder in pairs(decode) do
    if find(media, kind, 1, true) == 1 then
      local body, err = decoder(native.response_body(), content_type, max_args)
      if not body then
        return nil, err, kind
      end
      return body, nil, kind
    end
  end
  return nil, "unsupported content type '" .. content_type .. "'", media
end


return { new = function() return _RESPONSE end }
