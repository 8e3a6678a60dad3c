-- kong.service.request: the request as the upstream gets it.

local checks = require "kong.pdk.private.checks"
local cjson = require "cjson.safe"
local host = require "kong.host"
local lookup = require "kong.pdk.private.lookup"
local native = require "kong.native"
local phase_checker = require "kong.pdk.private.phases"

local ngx = ngx
local concat, sort = table.concat, table.sort
local byte, find, fmt = string.byte, string.find, string.format
local lower, match, sub = string.lower, string.match, string.sub
local error, ipairs, pairs, pcall, tostring, type = error, ipairs, pairs, pcall, tostring, type
local check_phase = phase_checker.check
local clear_request_header, set_request_header = host.clear_request_header, host.set_request_header
local normalize, validate_header = checks.normalize_multi_header, checks.validate_header

local PHASES = phase_checker.phases
local REQUEST = phase_checker.new(PHASES.rewrite, PHASES.access)
local AND_BALANCER = phase_checker.new(REQUEST, PHASES.balancer)

local FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
local SLASH = byte("/")
local METHODS = {}
for method in ("GET HEAD PUT POST DELETE OPTIONS MKCOL COPY MOVE PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE")
              :gmatch("%u+") do
  METHODS[method] = ngx["HTTP_" .. method]
end

local _REQUEST = {}


-- ---- target ---------------------------------------------------------------------------------

function _REQUEST.enable_buffering()
  check_phase(AND_BALANCER)
  native.enable_buffering()
end


function _REQUEST.set_scheme(scheme)
  check_phase(AND_BALANCER)
  if type(scheme) ~= "string" then
    error("scheme must be a string", 2)
  elseif scheme ~= "http" and scheme ~= "https" then
    error("invalid scheme: " .. scheme, 2)
  end
  native.upstream_set("scheme", scheme)
end


function _REQUEST.set_path(path)
  check_phase(AND_BALANCER)
  if type(path) ~= "string" then
    error("path must be a string", 2)
  elseif byte(path) ~= SLASH then
    error("path must start with /", 2)
  end
  native.upstream_set("path", native.escape_path(path))
end


function _REQUEST.set_method(method)
  check_phase(REQUEST)
  if type(method) ~= "string" then
    error("method must be a string", 2)
  elseif not METHODS[method] then
    error("invalid method: " .. method, 2)
  end
  ngx.req.set_method(METHODS[method])
end


-- ---- query ----------------------------------------------------------------------------------

function _REQUEST.set_raw_query(query)
  check_phase(REQUEST)
  if type(query) ~= "string" then
    error("query must be a string", 2)
  end
  ngx.req.set_uri_args(query)
end


-- Arguments as text in the order of their texts; throws at `level` where one cannot be written.
local function ordered_args(args, level)
  local parts = {}
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      error("arg keys must be strings", level)
    end
    local ok, part = pcall(ngx.encode_args, { [name] = value })
    if not ok then
      error(part, level)
    end
    parts[#parts + 1] = part
  end
  sort(parts)
  return concat(parts, "&")
end


function _REQUEST.set_query(args)
  check_phase(REQUEST)
  if type(args) ~= "table" then
    error("args must be a table", 2)
  end
  ngx.req.set_uri_args(ordered_args(args, 3))
end


function _REQUEST.clear_query_arg(name)
  check_phase(REQUEST)
  if type(name) ~= "string" then
    error("query argument name must be a string", 2)
  end
  native.clear_query_arg(name)
end


-- ---- headers --------------------------------------------------------------------------------

-- The Host of the upstream is not a header of the request: it is set for each peer.
local function write(name, value)
  if #name == 4 and lower(name) == "host" then
    native.upstream_set("host_header", type(value) == "table" and value[1] or tostring(value))
  end
  value = normalize(value)
  if type(value) == "string" then
    set_request_header(name, value)
  else
    ngx.req.set_header(name, value)
  end
end


function _REQUEST.set_header(header, value)
  check_phase(AND_BALANCER)
  validate_header(header, value)
  if #header == 10 and lower(header) == ":authority" then
    return native.set_authority(value)
  end
  write(header, value)
end


function _REQUEST.add_header(header, value)
  check_phase(REQUEST)
  validate_header(header, value)
  if lower(header) == "host" then
    return write(header, value)
  end
  native.add_request_header(header, normalize(value))
end


function _REQUEST.clear_header(header)
  check_phase(REQUEST)
  if type(header) ~= "string" then
    error("header must be a string", 2)
  end
  clear_request_header(header)
end


function _REQUEST.set_headers(headers)
  check_phase(REQUEST)
  checks.validate_headers(headers)
  for name, value in pairs(headers) do
    write(name, value)
  end
end


-- ---- body -----------------------------------------------------------------------------------

function _REQUEST.set_raw_body(body)
  check_phase(AND_BALANCER)
  if type(body) ~= "string" then
    error("body must be a string", 2)
  end
  if ngx.get_phase() ~= "balancer" then
    ngx.req.read_body()
  end
  ngx.req.set_body_data(body)
end


local encode = {}

encode[FORM] = function(args, mime)
  return ordered_args(args, 4), mime
end

encode[JSON] = function(args, mime)
  local text, err = cjson.encode(args)
  if not text then
    error(err, 3)
  end
  return text, mime
end


-- The names of form fields in order; throws where one cannot be written.
local function field_names(args)
  local names = {}
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      error(fmt("invalid key %q: got %s, expected string", tostring(name), type(name)), 4)
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      error(fmt("invalid value %q: got %s, expected string, number or boolean", name, kind), 4)
    elseif kind == "boolean" then
      -- Kong says that booleans are taken, and its buffer refuses them.
      error("bad argument #1 to 'put' (string/number/__tostring expected, got boolean)")
    end
    names[#names + 1] = name
  end
  sort(names)
  return names
end

-- A boundary that no value contains: the one asked for if it will do.
local function boundary_for(args, mime)
  local boundary = match(mime, 'boundary="([^"]*)"') or match(mime, "boundary=(.*)$")
  local clashes
  repeat
    boundary = not clashes and boundary or tostring(math.random(1e10))
    clashes = false
    for _, value in pairs(args) do
      clashes = clashes or find(tostring(value), "\n--" .. boundary, 1, true) ~= nil
    end
  until not clashes
  return boundary
end

encode[MULTIPART] = function(args, mime)
  local names = field_names(args)
  local boundary = boundary_for(args, mime)
  local out = {}
  for _, name in ipairs(names) do
    out[#out + 1] = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="' .. name
                    .. '"\r\n\r\n' .. tostring(args[name]) .. "\r\n"
  end
  out[#out + 1] = "--" .. boundary .. "--\r\n"
  return concat(out), MULTIPART .. "; boundary=" .. boundary
end


function _REQUEST.set_body(args, mimetype)
  check_phase(REQUEST)
  if type(args) ~= "table" then
    error("args must be a table", 2)
  elseif mimetype and type(mimetype) ~= "string" then
    error("mime must be a string", 2)
  end

  local mime = mimetype or lookup.header("Content-Type")
  if not mime then
    return nil, "content type was neither explicitly given as an argument or received as a header"
  end
  local at = find(mime, ";", 1, true)
  local encoder = encode[at and sub(mime, 1, at - 1) or mime]
  if not encoder then
    error("unsupported content type " .. mime, 2)
  end

  ngx.req.read_body()
  local body, content_type = encoder(args, mime)
  ngx.req.set_body_data(body)
  ngx.req.set_header("Content-Type", content_type)
  return true
end


return { new = function() return _REQUEST end }
