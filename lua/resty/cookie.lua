-- resty.cookie: cookies of the request, and cookies for the response.
local concat, gmatch, match = table.concat, string.gmatch, string.match
local ipairs, setmetatable, type = ipairs, setmetatable, type
local ngx = ngx

local ERR_NONE = "no cookie found in the current request"
local SAME_SITE = { Strict = true, Lax = true, None = true }

local _M = { _VERSION = "0.01" }
local mt = { __index = _M }


function _M.new(_)
  return setmetatable({ _cookie = ngx.var.http_cookie }, mt)
end


local function parse(text)
  local cookies = {}
  for pair in gmatch(text, "[^;]+") do
    local name, value = match(pair, "^[ \t]*([^=]-)[ \t]*=[ \t]*(.-)[ \t]*$")
    if name and name ~= "" then
      cookies[name] = value
    end
  end
  return cookies
end


local function cookies_of(self)
  if not self._cookie then
    return nil, ERR_NONE
  end
  if not self.cookie_table then
    self.cookie_table = parse(self._cookie)
  end
  return self.cookie_table
end


function _M:get(name)
  local cookies, err = cookies_of(self)
  if not cookies then
    return nil, err
  end
  return cookies[name]
end


function _M:get_all()
  return cookies_of(self)
end


local function bake(cookie)
  if not cookie.key or not cookie.value then
    return nil, 'missing cookie field "key" or "value"'
  end
  local same_site = cookie.samesite
  if same_site and not SAME_SITE[same_site] then
    ngx.log(ngx.WARN, "SameSite value must be 'Strict', 'Lax' or 'None'")
    same_site = nil
  end
  local parts = { cookie.key .. "=" .. cookie.value }
  local function add(name, value)
    if value then
      parts[#parts + 1] = value == true and name or name .. "=" .. value
    end
  end
  add("Expires", cookie.expires)
  add("Max-Age", cookie["max-age"] or cookie.max_age)
  add("Domain", cookie.domain)
  add("Path", cookie.path)
  add("Secure", cookie.secure and true)
  add("HttpOnly", cookie.httponly and true)
  add("SameSite", same_site)
  if cookie.extension then
    parts[#parts + 1] = cookie.extension
  end
  return concat(parts, "; ")
end


function _M.set(_, cookie)
  local line, err = bake(cookie)
  if not line then
    return nil, err
  end
  local lines = ngx.header["Set-Cookie"]
  if not lines then
    ngx.header["Set-Cookie"] = line
    return true
  end
  if type(lines) == "string" then
    lines = { lines }
  end
  for _, known in ipairs(lines) do
    if known == line then
      return true
    end
  end
  lines[#lines + 1] = line
  ngx.header["Set-Cookie"] = lines
  return true
end




return _M
