-- The parts of `ngx` that are plain Lua: tables whose fields are computed.
local ngx, HAS_JIT = ...

local error, rawget, rawset, setmetatable = error, rawget, rawset, setmetatable
local tostring, type = tostring, type
local find, gsub, lower = string.find, string.gsub, string.lower

-- Host functions that only this file uses leave the public table.
local function take(name)
  local host = ngx[name]
  ngx[name] = nil
  return host
end

local get_chunk, set_chunk = take("_get_chunk"), take("_set_chunk")
local get_ctx, set_ctx = require("host.running").ctx, take("_set_ctx")
local get_header, set_header = take("_get_header"), take("_set_header")
local get_status, set_status = take("_get_status"), take("_set_status")
local get_var, set_var, free_vars = take("_get_var"), take("_set_var"), take("_vars")
local headers_sent = take("_headers_sent")
local hot = take("_hot")
take("_print")

-- With the JIT on, what plugins call most goes through FFI.
if HAS_JIT then
  hot = require("host.hot")(hot)
  ngx.now, ngx.time = hot.now(), hot.time()
  get_var, set_header = hot.var(get_var), hot.set_header(set_header)
  hot.shared(ngx.shared)
end

-- ngx.var

local BEHIND_ACCESS = { balancer = true, header_filter = true, body_filter = true, log = true }

local function wants_websocket()
  local upgrade = get_var("http_upgrade")
  return upgrade ~= nil and lower(upgrade) == "websocket"
end

-- What the variables are until code sets them that say how the request goes to its upstream.
local FIRST = {
  kong_proxy_mode = function() return "http" end,
  upstream_connection = function() return wants_websocket() and "keep-alive, Upgrade" or "keep-alive" end,
  upstream_upgrade = function() return wants_websocket() and "websocket" or "" end,
  -- Known once the plugins of the access phase are through.
  upstream_te = function()
    local options = BEHIND_ACCESS[ngx.get_phase()] and get_var("http_te")
    return options and find("," .. gsub(options, "%s", "") .. ",", ",trailers,", 1, true) and "trailers" or ""
  end,
}

local function read_var(_, name)
  local value = get_var(name)
  if value == nil then
    local vars = free_vars()
    value = vars and vars[name]
    if value == nil then
      local first = FIRST[name]
      return first and first()
    end
    return value or nil
  end
  return value
end

local function write_var(_, name, value)
  if value ~= nil and type(value) ~= "string" then
    value = tostring(value)
  end
  if set_var(name, value) then
    free_vars(true)[name] = value or false
  end
end

ngx.var = setmetatable({}, { __index = read_var, __newindex = write_var })

-- ngx.header and ngx.arg

ngx.header = setmetatable({}, {
  __index = function(_, name)
    return get_header(type(name) == "string" and name or tostring(name))
  end,
  __newindex = function(_, name, value)
    set_header(type(name) == "string" and name or tostring(name), value)
  end,
})

ngx.arg = setmetatable({}, {
  __index = function(_, index) return get_chunk(index) end,
  __newindex = function(_, index, value) set_chunk(index, value) end,
})

-- get_headers(): a field is also found with underscores for dashes and in any case

local fields_mt = {
  __index = function(fields, name)
    if type(name) ~= "string" and type(name) ~= "number" then
      return nil
    end
    name = lower(name)
    local value = rawget(fields, name)
    if value == nil and find(name, "_", 1, true) then
      value = rawget(fields, (gsub(name, "_", "-")))
    end
    return value
  end,
}

local function finish(raw, fields, err)
  if not raw then
    setmetatable(fields, fields_mt)
  end
  return fields, err
end

-- Errors name these two.
local get_req_headers, get_resp_headers = ngx.req.get_headers, ngx.resp.get_headers

function ngx.req.get_headers(max, raw)
  return finish(raw, get_req_headers(max, raw))
end

function ngx.resp.get_headers(max, raw)
  return finish(raw, get_resp_headers(max, raw))
end

-- Fields of `ngx` itself

local function is_subrequest()
  headers_sent() -- where there is no request, it says so
  return false
end

local computed = { status = get_status, headers_sent = headers_sent, is_subrequest = is_subrequest }
local settable = { ctx = set_ctx, status = set_status }

setmetatable(ngx, {
  __index = function(_, name)
    if name == "ctx" then
      return get_ctx()
    end
    local get = computed[name]
    if get then
      return get()
    end
  end,
  __newindex = function(_, name, value)
    local set = settable[name]
    if set then
      return set(value)
    end
    if computed[name] then
      error('attempt to write to ngx.' .. name, 2)
    end
    rawset(ngx, name, value)
  end,
})

