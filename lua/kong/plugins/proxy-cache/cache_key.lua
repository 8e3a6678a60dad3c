-- What tells responses apart: consumer and route, method, path, query and headers.

local sha256_hex = require("kong.tools.sha256").sha256_hex

local concat, ipairs, pairs, sort, tostring, type = table.concat, ipairs, pairs, table.sort, tostring, type

local _M = {}


local function part(name, value)
  if value == true then
    return name
  elseif type(value) == "table" then
    local list = {}
    for i, item in ipairs(value) do
      list[i] = tostring(item)
    end
    sort(list)
    value = concat(list, ",")
  end
  return name .. "=" .. tostring(value)
end


-- `name=value` of those names that there are, joined by colons.
local function key_of(values, names)
  local parts = {}
  for _, name in ipairs(names) do
    if values[name] then
      parts[#parts + 1] = part(name, values[name])
    end
  end
  return concat(parts, ":")
end


local function given(names)
  return names and names[1] and names
end


-- The part of the query: of the arguments that vary, or of all in order.
function _M.params_key(params, conf)
  local names = given(conf.vary_query_params)
  if not names then
    names = {}
    for name in pairs(params) do
      names[#names + 1] = name
    end
    sort(names)
  end
  return key_of(params, names)
end


-- The part of the headers: of those that vary.
function _M.headers_key(headers, conf)
  return key_of(headers, given(conf.vary_headers) or {})
end


function _M.prefix_uuid(consumer_id, route_id)
  if not route_id then
    return "default"
  end
  return consumer_id and consumer_id .. ":" .. route_id or route_id
end


function _M.build_cache_key(consumer_id, route_id, method, uri, params, headers, conf)
  local parts = { _M.prefix_uuid(consumer_id, route_id), method, uri, _M.params_key(params, conf),
                  _M.headers_key(headers, conf) }
  return sha256_hex(concat(parts, "|"))
end


return _M
