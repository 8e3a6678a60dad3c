-- Vaults written in Lua, `kong.vaults.NAME`: which one a reference means, with what configuration, and asking
-- it.

local arguments = require "kong.api.arguments"
local cjson = require "cjson.safe"
local load_module_if_exists = require("kong.tools.module").load_module_if_exists
local native = require "kong.native"
local string_tools = require "kong.tools.string"

local ngx = ngx
local error, ipairs, next, pairs, tostring, type = error, ipairs, next, pairs, tostring, type
local concat, fmt, lower = table.concat, string.format, string.lower

-- The vault that the host has itself.
local HOST = "env"
local ANY_WORKSPACE = { workspace = ngx.null }

local _M = {}

-- By name: the module of a vault, the schema of its configuration, and what kong.conf says.
local strategies, schemas, configurations = {}, {}, {}


-- ---- loading --------------------------------------------------------------------------------

local function config_of(definition)
  for _, item in ipairs(type(definition) == "table" and definition.fields or {}) do
    local name, field = next(item)
    if name == "config" then
      return field
    end
  end
end


local function load(name)
  local found, strategy = load_module_if_exists("kong.vaults." .. name)
  if not found then
    return nil, name .. " vault is enabled but not installed;\n" .. tostring(strategy)
  end
  local has_schema, definition = load_module_if_exists("kong.vaults." .. name .. ".schema")
  local config = has_schema and config_of(definition)
  if not config then
    return nil, "no configuration schema found for vault: " .. name
  end
  if type(strategy.init) == "function" then
    strategy.init()
  end
  schemas[name] = require("kong.db.schema").new(config)
  strategies[name] = strategy
  return true
end


-- Loads the enabled vaults; answers whether there is any. Throws when one cannot be used.
function _M.load(enabled)
  local problems = {}
  for name in pairs(enabled or {}) do
    if name ~= HOST and not strategies[name] then
      local ok, err = load(name)
      if not ok then
        problems[#problems + 1] = "on vault '" .. name .. "': " .. err
      end
    end
  end
  if problems[1] then
    error("error loading vault schemas: " .. concat(problems, "; "), 0)
  end
  return next(strategies) ~= nil
end


-- ---- finding --------------------------------------------------------------------------------

local function accepted(schema, field, value)
  value = arguments.infer_value(value, field)
  if value ~= nil and schema:validate_field(field, value) then
    return value
  end
end


-- What kong.conf says of a vault that references name directly.
local function configured(name)
  local known = configurations[name]
  if not known then
    known = {}
    local prefix = "vault_" .. string_tools.replace_dashes(name) .. "_"
    for key, field in schemas[name]:each_field() do
      local property = lower(prefix .. string_tools.replace_dashes(key))
      known[key] = accepted(schemas[name], field, kong.configuration[property])
      if known[key] == nil and field.required then
        known[key] = field.default
      end
    end
    configurations[name] = known
  end
  return known
end


-- The kind of vault that a name or an entity's prefix means, and its configuration; nil and why not.
local function kind_of(name)
  if strategies[name] then
    return name, configured(name)
  end
  local entity, err = kong.db.vaults:select_by_prefix(name, ANY_WORKSPACE)
  if not entity then
    return nil, fmt(err and "could not find vault (%s): %s" or "could not find vault (%s)", name, err)
  elseif not strategies[entity.name] then
    return nil, fmt("could not find vault (%s)", entity.name)
  end
  return entity.name, entity.config
end


-- A configuration with what a reference asks for in its query, and a digest of both.
local function adjusted(name, base, options)
  local config, parts = {}, { name }
  for key, field in schemas[name]:each_field() do
    local value = options and options[key]
    value = accepted(schemas[name], field, value == nil and base[key] or value)
    if value ~= nil and value ~= ngx.null then
      config[key] = value
      parts[#parts + 1] = key .. "=" .. (type(value) == "table" and cjson.encode(value) or tostring(value))
    end
  end
  return config, ngx.md5(concat(parts, ";"))
end


-- Whether a reference is the host's to answer: it, or the entity it names, is of the vault `env`.
function _M.is_of_host(parsed)
  if parsed.name == HOST then
    return true
  elseif strategies[parsed.name] then
    return false
  end
  local entity = kong.db.vaults:select_by_prefix(parsed.name, ANY_WORKSPACE)
  return not entity or entity.name == HOST
end


--- What a reference means: `strategy`, `config`, `parsed`, and the `key` under which its secret is kept; nil
-- and why not.
function _M.find(reference)
  local parsed, err = native.parse_reference(reference)
  if not parsed then
    return nil, err
  elseif _M.is_of_host(parsed) then
    return { of_host = true }
  end
  local name, base = kind_of(parsed.name)
  if not name then
    return nil, base
  elseif strategies[name].license_required then
    return nil, "vault " .. name .. " requires a license to be used"
  end
  local config, digest = adjusted(name, base or {}, parsed.config)
  return {
    strategy = strategies[name], config = config, parsed = parsed, digest = digest,
    key = digest .. "." .. reference,
  }
end


-- ---- asking ---------------------------------------------------------------------------------

local function subfield(text, key)
  local object, err = cjson.decode(text)
  if type(object) ~= "table" then
    return nil, fmt("unable to json decode value (%s): %s", tostring(object), tostring(err))
  end
  local value = object[key]
  if value == nil then
    return nil, fmt("subfield %s not found in JSON secret", key)
  elseif type(value) ~= "string" then
    return nil, fmt("unexpected %s value in JSON secret for subfield %s", type(value), key)
  end
  return value
end


--- Asks the vault: the secret, nothing, and for how many seconds it holds; nil and why not. `asked` keeps
-- what was answered before, for references that differ in the subfield only.
function _M.ask(meaning, asked)
  local parsed, answer = meaning.parsed, nil
  local question = concat({ meaning.digest, parsed.resource or "", parsed.version or "" }, ".")
  if asked then
    answer = asked[question]
  end
  if not answer then
    answer = { meaning.strategy.get(meaning.config, parsed.resource, parsed.version) }
    if asked then
      asked[question] = answer
    end
  end
  local value, err, ttl = answer[1], answer[2], answer[3]
  if value == nil then
    return nil, err and fmt("no value found (%s)", err) or "no value found"
  elseif type(value) ~= "string" then
    return nil, fmt("value returned from vault has invalid type (%s), string expected", type(value))
  elseif parsed.key then
    value, err = subfield(value, parsed.key)
    if not value then
      return nil, "could not get subfield value: " .. err
    end
  end
  return value, nil, ttl
end


return _M
