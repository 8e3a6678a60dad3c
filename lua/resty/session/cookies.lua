-- resty.session.cookies: the cookies that sessions travel in.
local of = require("resty.session.settings").of

local ngx = ngx
local concat, insert, sub = table.concat, table.insert, string.sub
local ipairs, type = ipairs, type

local LONGEST_COOKIE, MOST_COOKIES = 4000, 9

local _M = {}


-- The name of the cookie, or of the one that lasts.
local function name_of(self, persistent)
  local name = of(self.configuration, persistent and "remember_cookie_name" or "cookie_name")
  return (of(self.configuration, "cookie_prefix") or "") .. name
end


local function flags_of(self, persistent)
  local flags = {}
  local function add(text)
    flags[#flags + 1] = "; " .. text
  end
  if of(self.configuration, "cookie_domain") then
    add("Domain=" .. of(self.configuration, "cookie_domain"))
  end
  add("Path=" .. (of(self.configuration, "cookie_path") or "/"))
  local same_site = of(self.configuration, "cookie_same_site")
  if same_site then
    add("SameSite=" .. same_site)
  end
  if of(self.configuration, "cookie_priority") then
    add("Priority=" .. of(self.configuration, "cookie_priority"))
  end
  if of(self.configuration, "cookie_same_party") then
    add "SameParty"
  end
  if of(self.configuration, "cookie_partitioned") then
    add "Partitioned"
  end
  local secure = of(self.configuration, "cookie_secure")
  if secure == nil then
    secure = ngx.var.https == "on"
  end
  if secure then
    add "Secure"
  end
  if of(self.configuration, "cookie_http_only") then
    add "HttpOnly"
  end
  if persistent == "keep" then
    local seconds = of(self.configuration, "remember_rolling_timeout")
    add("Expires=" .. ngx.cookie_time(ngx.time() + seconds))
    add("Max-Age=" .. seconds)
  elseif persistent == "gone" then
    add "Expires=Thu, 01 Jan 1970 00:00:01 GMT"
    add "Max-Age=0"
  end
  return concat(flags)
end


-- The value of a cookie of the request, which may lie in several.
function _M.read(self, persistent)
  local name = name_of(self, persistent)
  local value = ngx.var["cookie_" .. name]
  if not value then
    return nil
  end
  for i = 2, MOST_COOKIES do
    local more = ngx.var["cookie_" .. name .. i]
    if not more then
      break
    end
    value = value .. more
  end
  return value
end


-- Sets a cookie of the response in place of one of the same name.
local function put(name, line)
  local kept = {}
  local lines = ngx.header["Set-Cookie"]
  for _, known in ipairs(type(lines) == "table" and lines or { lines }) do
    if sub(known, 1, #name + 1) ~= name .. "=" then
      insert(kept, known)
    end
  end
  insert(kept, line)
  ngx.header["Set-Cookie"] = #kept == 1 and kept[1] or kept
end


-- Sets the cookie of the response, in as many as it takes. Answers nil and why where it is too long.
function _M.write(self, value, persistent)
  local name = name_of(self, persistent)
  local flags = flags_of(self, persistent and "keep")
  if #value > LONGEST_COOKIE * MOST_COOKIES then
    return nil, "cookie size limit exceeded"
  end
  local count = 0
  for from = 1, #value, LONGEST_COOKIE do
    count = count + 1
    local part = count == 1 and name or name .. count
    put(part, part .. "=" .. sub(value, from, from + LONGEST_COOKIE - 1) .. flags)
  end
  return true
end


-- Has the client forget the cookie.
function _M.clear(self, persistent)
  local name = name_of(self, persistent)
  put(name, name .. "=" .. flags_of(self, "gone"))
end


_M.name = name_of


return _M
