-- A configuration's rules in the form that transforming needs: names split from values, values
-- compiled once.

local sandbox = require "kong.tools.sandbox"
local template = require "kong.plugins.request-transformer.template"

local error, ipairs, setmetatable, type = error, ipairs, setmetatable, type
local find, lower, match = string.find, string.lower, string.match

local ERR_UNTRUSTED = "loading of untrusted Lua code disabled because "
                      .. "'untrusted_lua' config option is set to 'off'"

local ACTIONS = { "remove", "rename", "replace", "add", "append" }
local PARTS = { "headers", "querystring", "body" }

local _M = {}


local function fail(text, err)
  error("[request-transformer] failed to render the template " .. text .. ", error:" .. err)
end


-- A function from an environment to the text of a value.
function _M.renderer(text)
  if not sandbox.configuration.enabled then
    if find(text, "%$%(.*%)") then
      return function() fail(text, ERR_UNTRUSTED) end
    end
    return function() return text end
  end

  local render, err = template.compile(text)
  if not render then
    return function() error(err) end
  end
  return function(environment)
    local value, problem = render(environment)
    if problem then
      fail(text, problem)
    end
    return value
  end
end


local function parse(list)
  local rules = {}
  for i, pair in ipairs(list or {}) do
    local name, value = match(pair, "^([^:]+):*(.-)$")
    rules[i] = {
      name = name,
      key = name and lower(name),
      text = value,
      constant = value ~= "" and not template.has_expressions(value or "") and value or nil,
      render = value and value ~= "" and _M.renderer(value) or nil,
    }
  end
  return rules
end


-- Each part has lists of rules by action, and a list of those whose values have expressions.
local function compile(conf)
  local rules = { uri = conf.replace.uri and conf.replace.uri ~= "" and _M.renderer(conf.replace.uri) or nil }
  for _, part in ipairs(PARTS) do
    local of_part, count = { computed = {} }, 0
    for _, action in ipairs(ACTIONS) do
      of_part[action] = parse(conf[action][part])
      count = count + #of_part[action]
      for _, rule in ipairs(action ~= "remove" and of_part[action] or {}) do
        of_part.computed[#of_part.computed + 1] = not rule.constant and rule or nil
      end
    end
    of_part.any = count > 0
    rules[part] = of_part
  end
  return rules
end


local compiled = setmetatable({}, { __mode = "k" })

-- The rules of a configuration, kept as long as it lives.
function _M.of(conf)
  local rules = compiled[conf]
  if not rules then
    rules = compile(conf)
    compiled[conf] = rules
  end
  return rules
end


-- The value of a rule as text; nil for a rule without one.
function _M.value(rule, environment)
  if rule.constant or not rule.render then
    return rule.constant
  end
  local value = rule.render(environment)
  kong.log.debug("[request-transformer] template `", rule.text, "` rendered to `", value, "`")
  return value
end


-- Applies the rules of a part to a map of names to values. Removing, renaming and replacing
-- need content to work on. Returns whether anything was changed.
function _M.apply(rules, map, environment, has_content)
  local changed = false
  if has_content then
    for _, rule in ipairs(rules.remove) do
      map[rule.name], changed = nil, true
    end
    for _, rule in ipairs(rules.rename) do
      local new = _M.value(rule, environment)
      local value = map[rule.name]
      if value and new and new ~= rule.name then
        map[rule.name], map[new], changed = nil, value, true
      end
    end
    for _, rule in ipairs(rules.replace) do
      if map[rule.name] then
        map[rule.name], changed = _M.value(rule, environment), true
      end
    end
  end
  for _, rule in ipairs(rules.add) do
    if not map[rule.name] then
      map[rule.name], changed = _M.value(rule, environment), true
    end
  end
  for _, rule in ipairs(rules.append) do
    map[rule.name], changed = _M.append(map[rule.name], _M.value(rule, environment)), true
  end
  return changed
end


-- A value with another behind it.
function _M.append(present, value)
  if type(present) == "table" then
    present[#present + 1] = value
    return present
  elseif type(present) == "string" then
    return { present, value }
  end
  return { value }
end


return _M
