-- Multipart form bodies (RFC 7578): `multipart(body, content_type)` is an object to read and change.

local concat, remove = table.concat, table.remove
local find, gmatch, lower, match, sub = string.find, string.gmatch, string.lower, string.match, string.sub
local ipairs, setmetatable, tostring, type = ipairs, setmetatable, tostring, type

local Multipart = {}
Multipart.__index = Multipart


local function boundary_of(content_type)
  return match(content_type, '[Bb]oundary="([^"]*)"') or match(content_type, "[Bb]oundary=([^;%s]+)")
end


-- A part's name and its header lines.
local function head_of(text)
  local headers, name = {}, nil
  for line in gmatch(text, "[^\r\n]+") do
    headers[#headers + 1] = line
    if find(lower(line), "^content%-disposition:") then
      name = match(line, '[; \t]name="([^"]*)"') or match(line, "[; \t]name=([^;%s]+)")
    end
  end
  return name, headers
end


-- The parts between boundaries, in order. One without a name is not a form field.
local function parse(body, boundary)
  local parts, mark = {}, "--" .. boundary
  local _, from = find(body, mark, 1, true)
  while from and sub(body, from + 1, from + 2) ~= "--" do
    local first, last = find(body, "\n" .. mark, from + 1, true)
    local text = sub(body, from + 1, (first or #body + 1) - 1)
    text = match(text, "^[ \t]*\r?\n(.*)$") or text
    local head, value = match(text, "^(.-)\r?\n\r?\n(.*)$")
    if head then
      local name, headers = head_of(head)
      if name then
        parts[#parts + 1] = { name = name, headers = headers, value = (match(value, "^(.-)\r?$")) }
      end
    end
    from = last
  end
  return parts
end


-- The last part of a name.
function Multipart:get(name)
  local found
  for _, part in ipairs(self._parts) do
    if part.name == name then
      found = part
    end
  end
  return found
end


-- Values by name, the last of each.
function Multipart:get_all()
  local values = {}
  for _, part in ipairs(self._parts) do
    values[part.name] = part.value
  end
  return values
end


-- Values by name; a list where a name occurs more than once.
function Multipart:get_all_with_arrays()
  local values = {}
  for _, part in ipairs(self._parts) do
    local present = values[part.name]
    if present == nil then
      values[part.name] = part.value
    elseif type(present) == "table" then
      present[#present + 1] = part.value
    else
      values[part.name] = { present, part.value }
    end
  end
  return values
end


-- Lists of values by name.
function Multipart:get_all_as_arrays()
  local values = {}
  for _, part in ipairs(self._parts) do
    local list = values[part.name] or {}
    list[#list + 1] = part.value
    values[part.name] = list
  end
  return values
end


-- Sets a field to one value, as a file if a file name is given.
function Multipart:set_simple(name, value, filename, content_type)
  local disposition = 'Content-Disposition: form-data; name="' .. name .. '"'
  if filename then
    disposition = disposition .. '; filename="' .. filename .. '"'
  end
  local part = { name = name, value = tostring(value), headers = { disposition } }
  if content_type then
    part.headers[2] = "Content-Type: " .. content_type
  end
  for i, present in ipairs(self._parts) do
    if present.name == name then
      self._parts[i] = part
      return
    end
  end
  self._parts[#self._parts + 1] = part
end


-- Removes all parts of a name.
function Multipart:delete(name)
  for i = #self._parts, 1, -1 do
    if self._parts[i].name == name then
      remove(self._parts, i)
    end
  end
end


-- The body as text.
function Multipart:tostring()
  local lines = {}
  for _, part in ipairs(self._parts) do
    lines[#lines + 1] = "--" .. self._boundary
    lines[#lines + 1] = concat(part.headers, "\r\n")
    lines[#lines + 1] = ""
    lines[#lines + 1] = part.value
  end
  lines[#lines + 1] = "--" .. self._boundary .. "--"
  return concat(lines, "\r\n") .. "\r\n"
end


-- The form in a body; an empty one, and a boundary of our own, without a body or content type.
return setmetatable(Multipart, {
  __call = function(_, body, content_type)
    local boundary = content_type and boundary_of(content_type)
    local parts = body and boundary and parse(body, boundary) or {}
    return setmetatable({ _parts = parts, _boundary = boundary or "form-boundary-5b7d1f" }, Multipart)
  end,
})
