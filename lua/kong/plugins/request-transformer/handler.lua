-- request-transformer: changes the request on its way to the upstream.

local body = require "kong.plugins.request-transformer.body"
local environment = require "kong.plugins.request-transformer.environment"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"
local rules_of = require "kong.plugins.request-transformer.rules"
local table_tools = require "kong.tools.table"

local kong, ngx = kong, ngx
local ipairs, next, pairs, type = ipairs, next, pairs, type

local WITHOUT_BODY = { GET = true, HEAD = true, TRACE = true }

local RequestTransformer = {
  VERSION = kong_meta.version,
  PRIORITY = 801,
}


-- The values of all header rules, before any header is changed: an expression sees the headers as
-- they came.
local function header_values(rules, env)
  local values, valued = {}, rules.valued
  for i = 1, #valued do
    values[valued[i]] = rules_of.value(valued[i], env)
  end
  return values
end


local function rename_header(old, new, set_header, clear_header)
  local key, new_key = old:lower(), new:lower()
  local value = lookup.header(old)
  if old == new or key == "host" or value == nil then
    return
  end
  clear_header(old)
  set_header(key == new_key and new or new_key, value)
end


-- `Host` can be replaced; no other rule touches it.
local function transform_headers(rules, env)
  local set_header, clear_header = kong.service.request.set_header, kong.service.request.clear_header
  local get_header = kong.request.get_header
  local values = header_values(rules, env)

  for _, rule in ipairs(rules.remove) do
    if rule.key ~= "host" then
      clear_header(rule.name)
    end
  end
  for _, rule in ipairs(rules.rename) do
    if values[rule] then
      rename_header(rule.name, values[rule], set_header, clear_header)
    end
  end
  for _, rule in ipairs(rules.replace) do
    if values[rule] and (rule.key == "host" or get_header(rule.name)) then
      set_header(rule.key, values[rule])
    end
  end
  for _, rule in ipairs(rules.add) do
    if values[rule] and rule.key ~= "host" and not get_header(rule.name) then
      set_header(rule.name, values[rule])
    end
  end
  for _, rule in ipairs(rules.append) do
    if values[rule] then
      kong.service.request.add_header(rule.name, values[rule])
    end
  end
end


local function transform_query(rules, env)
  local args = table_tools.cycle_aware_deep_copy(env.query_params)
  rules_of.apply(rules, args, env, true)
  kong.service.request.set_query(args)
end


-- A method without a body takes the fields of a form over into the query.
local function form_to_query()
  local fields = ngx.decode_args(kong.request.get_raw_body() or "")
  if type(fields) ~= "table" or not next(fields) then
    return
  end
  local args = kong.request.get_query()
  for name, value in pairs(fields) do
    local present = args[name]
    if type(present) == "table" then
      present[#present + 1] = value
    else
      args[name] = present and { present, value } or value
    end
  end
  kong.service.request.set_query(args)
end


local function transform_method(method)
  kong.service.request.set_method(method:upper())
  if WITHOUT_BODY[method] and body.kind_of(kong.request.get_header("content-type")) == body.FORM then
    form_to_query()
  end
end


function RequestTransformer:access(conf)
  local rules, env = rules_of.of(conf), environment()
  if rules.uri then
    kong.service.request.set_path(rules.uri(env))
  end
  if conf.http_method then
    transform_method(conf.http_method)
  end
  if rules.headers.any then
    transform_headers(rules.headers, env)
  end
  body.transform(rules.body, env)
  if rules.querystring.any then
    transform_query(rules.querystring, env)
  end
end


return RequestTransformer
