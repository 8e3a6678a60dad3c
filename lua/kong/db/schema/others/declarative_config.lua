--- Declarative configurations as tables: `_format_version` and lists of entities, nested as files have them.
--
-- The gateway reads its own files without Lua; this is the same reader, for tests of plugins and for tools.

local constants = require "kong.constants"
local native = require "kong.db.declarative.native"
local module = require "kong.tools.module"

local pairs, setmetatable, sort = pairs, setmetatable, table.sort

local _M = {}

local documents = {}
documents.__index = documents


-- The plugins of a set that are there: bundled ones that this version does not ship are left out.
local function plugins_of(set)
  local names = {}
  for name in pairs(set or {}) do
    local schema = "kong.plugins." .. name .. ".schema"
    if not constants.BUNDLED_PLUGINS[name] or module.load_module_if_exists(schema) then
      names[#names + 1] = name
    end
  end
  sort(names)
  return names
end


local function vaults_of(set)
  if not set then
    return nil
  end
  local names = {}
  for name in pairs(set) do
    names[#names + 1] = name
  end
  sort(names)
  return names
end


--- What reads documents with the plugins and vaults of two sets.
-- @return an object with `validate`, `process_auto_fields` and `flatten`; nil and an error
function _M.load(plugins, vaults)
  local configuration = kong and kong.configuration or {}
  local reader, err = native.load(plugins_of(plugins), vaults_of(vaults), configuration.router_flavor)
  if not reader then
    return nil, err
  end
  return setmetatable({ reader = reader }, documents)
end


--- Whether a document is right.
-- @return true; nil and the errors, nested like the document
function documents:validate(document)
  return self.reader:validate(document)
end


--- The document with the values that schemas supply.
function documents:process_auto_fields(document)
  return self.reader:process_auto_fields(document)
end


--- The entities of a document.
-- @return by kind and key, complete and with foreign keys; nil and the errors
function documents:flatten(document)
  return self.reader:flatten(document)
end


return _M
