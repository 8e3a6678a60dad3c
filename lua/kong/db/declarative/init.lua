-- Declarative configurations as texts and files.

local transfer = require "kong.db.declarative.transfer"

local open, pairs, type = io.open, pairs, type
local null = ngx.null

local _M = {
  load_into_db = transfer.load_into_db,
  export_config = transfer.export_config,
}


-- The same value with the null of lyaml for `ngx.null`.
local function with_yaml_nulls(value, yaml_null)
  if value == null then
    return yaml_null
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = with_yaml_nulls(item, yaml_null)
  end
  return copy
end


-- A configuration as YAML.
function _M.to_yaml_string(entities)
  local lyaml = require "lyaml"
  local text = lyaml.dump({ with_yaml_nulls(entities, lyaml.null) })
  -- lyaml ends a document with a line that declarative files do not have.
  return (text:gsub("%.%.%.\n$", ""))
end


-- Writes a configuration into a file. Answers true, or nil and why not.
function _M.to_yaml_file(entities, path)
  local text = type(entities) == "string" and entities or _M.to_yaml_string(entities)
  local file, err = open(path, "w")
  if not file then
    return nil, err
  end
  file:write(text)
  file:close()
  return true
end


--- Writes the entities of the database into an open file, as YAML. The parameters are those of
-- `export_config`; workspaces are left out, and nothing that is switched off, unless asked for.
-- @return true; nil and an error
function _M.export_from_db(file, skip_ws, skip_disabled, expand)
  local document, err = transfer.export_config(skip_ws ~= false, skip_disabled or false, expand)
  if not document then
    return nil, err
  end
  file:write(_M.to_yaml_string(document))
  return true
end


return _M
