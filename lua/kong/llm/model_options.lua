-- The configuration of a model for a request: `$(headers.NAME)`, `$(query_params.NAME)` and
-- `$(uri_captures.NAME)` in it stand for what the request has.

local pairs, type = pairs, type
local find, match, sub = string.find, string.match, string.sub

local SOURCES = {
  headers = function(request, name)
    return request.get_header(name)
  end,
  query_params = function(request, name)
    return request.get_query_arg(name)
  end,
  uri_captures = function(request, name)
    return request.get_uri_captures().named[name]
  end,
}


-- A text with its expression replaced; nil and an error.
local function evaluate(request, text)
  local first, last = find(text, "%$%(.-%)")
  if not first then
    return text
  end
  local source, name = match(sub(text, first + 2, last - 1), "^([^.]*)%.([^.]*)$")
  if not source then
    return nil, "cannot parse expression for field '" .. text .. "'"
  end
  local read = SOURCES[source]
  if not read then
    return nil, "source '" .. source .. "' is not supported"
  end
  local value = read(request, name)
  if not value then
    return nil, source .. " key " .. name .. " was not provided"
  end
  return sub(text, 1, first - 1) .. value .. sub(text, last + 1)
end


-- A copy with all expressions replaced; nil and an error.
local function replace(request, configured)
  local copy = {}
  for name, value in pairs(configured) do
    local err
    if type(value) == "table" then
      value, err = replace(request, value)
    elseif type(value) == "string" then
      value, err = evaluate(request, value)
    end
    if err then
      return nil, err
    end
    copy[name] = value
  end
  return copy
end


return replace
