--- The order in which entities can be written: each after those it refers to.

local constants = require "kong.constants"

local copy, ipairs, pairs, sort = require("kong.tools.table").shallow_copy, ipairs, pairs, table.sort

local ERR_CYCLE = "Cycle detected, cannot sort topologically"


-- Workspaces come first, then core entities, then others.
local function rank(schema)
  if schema.name == "workspaces" then
    return 0
  end
  return constants.CORE_ENTITIES[schema.name] and 1 or 2
end


local function before(a, b)
  local one, other = rank(a), rank(b)
  if one ~= other then
    return one < other
  end
  return a.name < b.name
end


-- The names that the foreign fields of a schema refer to.
local function targets_of(schema)
  local targets = {}
  for _, field in schema:each_field() do
    if type(field) == "table" and field.type == "foreign" then
      targets[field.reference] = true
    end
  end
  return targets
end


--- Sorts schemas. Where references leave a choice, it is by rank and name.
-- @param schemas a list, or a table by name
-- @return a new list; nil and an error when schemas refer to each other
local function sorted(schemas)
  local ordered, result, state = {}, {}, {}
  for _, schema in pairs(copy(schemas)) do
    ordered[#ordered + 1] = schema
  end
  sort(ordered, before)

  local function visit(schema)
    if state[schema] == "done" then
      return true
    elseif state[schema] then
      return nil, ERR_CYCLE
    end
    state[schema] = "begun"
    local targets = targets_of(schema)
    for _, target in ipairs(ordered) do
      if targets[target.name] and target ~= schema then
        local ok, err = visit(target)
        if not ok then
          return nil, err
        end
      end
    end
    state[schema] = "done"
    result[#result + 1] = schema
    return true
  end

  for _, schema in ipairs(ordered) do
    local ok, err = visit(schema)
    if not ok then
      return nil, err
    end
  end
  return result
end


return sorted
