-- request-transformer: changes the request on its way to the upstream.

local body = require "kong.plugins.request-transformer.body"
local each = require "kong.pdk.private.each"
local environment = require "kong.plugins.request-transformer.environment"
local kong_meta = require "kong.meta"
local lookup = require "kong.pdk.private.lookup"
local rules_of = require "kong.plugins.request-transformer.rules"
local table_tools = require "kong.tools.table"

local kong, ngx = kong, ngx
local next, pairs, type = next, pairs, type

local WITHOUT_BODY = { GET = true, HEAD = true, TRACE = true }

local RequestTransformer = {
  VERSION = kong_meta.version,
  PRIORITY = 801,
}


local function keep_value(rule, values, env)
  values[rule] = rules_of.value(rule, env)
end


-- The values of all header rules with expressions, before any header is changed: an expression sees the
-- headers as they came.
local function computed_values(rules, env)
  local computed = rules.computed
  if computed[1] == nil then
    return nil
  end
  local values = {}
  each(computed, keep_value, values, env)
  return values
end


local function value_of(rule, values)
  return rule.constant or values and values[rule]
end


local function remove_header(rule)
  if rule.key ~= "host" then
    kong.service.request.clear_header(rule.name)
  end
end


local function rename_header(rule, values)
  local old, new = rule.name, value_of(rule, values)
  if not new or old == new or rule.key == "host" then
    return
  end
  local new_key, value = new:lower(), lookup.header(old)
  if value ~= nil then
    kong.service.request.clear_header(old)
    kong.service.request.set_header(rule.key == new_key and new or new_key, value)
  end
end


local function replace_header(rule, values)
  local value = value_of(rule, values)
  if value and (rule.key == "host" or kong.request.get_header(rule.name)) then
    kong.service.request.set_header(rule.key, value)
  end
end


local function add_header(rule, values)
  local value = value_of(rule, values)
  if value and rule.key ~= "host" and not kong.request.get_header(rule.name) then
    kong.service.request.set_header(rule.name, value)
  end
end


local function append_header(rule, values)
  local value = value_of(rule, values)
  if value then
    kong.service.request.add_header(rule.name, value)
  end
end


-- `Host` can be replaced; no other rule touches it.
local function transform_headers(rules, env)
  local values = computed_values(rules, env)
  each(rules.remove, remove_header)
  each(rules.rename, rename_header, values)
  each(rules.replace, replace_header, values)
  each(rules.add, add_header, values)
  each(rules.append, append_header, values)
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
