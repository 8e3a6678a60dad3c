-- The groups that a request belongs to: those of its consumer, or those that an authentication plugin left in
-- `authenticated_groups`. Each answer is { list = names in order, set = true by name }, or nil without any.

local kong, ngx = kong, ngx
local ipairs, setmetatable, type = ipairs, setmetatable, type

-- What came of the list of memberships that the cache holds, as long as it holds it.
local known = setmetatable({}, { __mode = "k" })

local _M = {}


local function of_names(names)
  local set = {}
  for _, name in ipairs(names) do
    set[name] = true
  end
  return { list = names, set = set }
end


local function load_memberships(consumer_id)
  local rows = {}
  for row, err in kong.db.acls:each_for_consumer({ id = consumer_id }) do
    if err then
      return nil, err
    end
    rows[#rows + 1] = row
  end
  return rows
end


local function memberships(consumer_id)
  return kong.cache:get(kong.db.acls:cache_key(consumer_id), nil, load_memberships, consumer_id)
end


-- Also answers an error.
function _M.of_consumer(consumer_id)
  local rows, err = memberships(consumer_id)
  if not rows or not rows[1] then
    return nil, err
  end
  local groups = known[rows]
  if not groups then
    local names = {}
    for i, row in ipairs(rows) do
      names[i] = row.group
    end
    groups = of_names(names)
    known[rows] = groups
  end
  return groups
end


function _M.authenticated()
  local names = kong.ctx.shared.authenticated_groups
  if type(names) == "table" then
    return of_names(names)
  end
  names = ngx.ctx.authenticated_groups
  if type(names) == "table" then
    return of_names(names)
  elseif names ~= nil then
    kong.log.warn("invalid authenticated_groups, a table was expected")
  end
end


return _M
