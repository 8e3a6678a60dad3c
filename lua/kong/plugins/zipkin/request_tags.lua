-- Tags that a request brings along: `name=value; name=value`.

local concat, gmatch, ipairs, match, tostring, type =
  table.concat, string.gmatch, ipairs, string.match, tostring, type

local _M = {}


-- Tags by name; also an error that tells what is none. nil without a header.
function _M.parse(header)
  if not header then
    return nil
  elseif type(header) == "string" then
    header = { header }
  elseif type(header) ~= "table" then
    return nil, "unexpected tags_header type: " .. tostring(header) .. " (" .. type(header) .. ")"
  end
  local tags, wrong = {}, {}
  for _, line in ipairs(header) do
    for item in gmatch(line, "[^;]+") do
      local name, value = match(item, "^%s*(%S+)%s*=%s*(.*%S)%s*$")
      if name then
        tags[name] = value
      else
        wrong[#wrong + 1] = item
      end
    end
  end
  if wrong[1] then
    return tags, "Could not parse the following Zipkin tags: " .. concat(wrong, ", ")
  end
  return tags
end


return _M
