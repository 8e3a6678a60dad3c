-- with_path(url, path, query): a URL with another path and query, written as browsers write it (WHATWG URL
-- Standard): scheme and host in lower case, no default port, no dot segments, special bytes escaped.

local byte, fmt, gsub, lower = string.byte, string.format, string.gsub, string.lower
local concat = table.concat

local DEFAULT_PORTS = { http = ":80", https = ":443", ws = ":80", wss = ":443", ftp = ":21" }

-- Bytes that are escaped, as Lua patterns. In both: controls, space and all that is not ASCII.
local IN_PATH = "[%z\1-\32\"#<>?^`{}\127-\255]"
local IN_QUERY = "[%z\1-\32\"#<>'\127-\255]"

local ONE_DOT = { ["."] = true, ["%2e"] = true }
local TWO_DOTS = { [".."] = true, [".%2e"] = true, ["%2e."] = true, ["%2e%2e"] = true }


local function escape(char)
  return fmt("%%%02X", byte(char))
end


local function without_dot_segments(path)
  local kept, ends_in_dots = {}, false
  for segment in path:gmatch("/([^/]*)") do
    local name = lower(segment)
    ends_in_dots = ONE_DOT[name] or TWO_DOTS[name] or false
    if TWO_DOTS[name] then
      kept[#kept] = nil
    elseif not ONE_DOT[name] then
      kept[#kept + 1] = segment
    end
  end
  if ends_in_dots then
    kept[#kept + 1] = ""
  end
  return "/" .. concat(kept, "/")
end


return function(url, path, query)
  local scheme, authority, rest = url:match("^(%a[%w+.-]*)://([^/?#]*)(.*)$")
  local user, server = authority:match("^(.*@)(.*)$")
  scheme, server = lower(scheme), lower(server or authority)
  local port = DEFAULT_PORTS[scheme]
  if port and server:sub(-#port) == port then
    server = server:sub(1, -#port - 1)
  end

  path = without_dot_segments(gsub(gsub(path, "\\", "/"), IN_PATH, escape))
  query = query ~= "" and "?" .. gsub(query, IN_QUERY, escape) or ""
  return scheme .. "://" .. (user or "") .. server .. path .. query .. (rest:match("#.*$") or "")
end
