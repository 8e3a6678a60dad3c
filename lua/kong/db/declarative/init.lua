-- Declarative configurations as texts and files.

local open, type = io.open, type

local _M = {}


-- A configuration as YAML.
function _M.to_yaml_string(entities)
  local text = require("lyaml").dump({ entities })
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


return _M
