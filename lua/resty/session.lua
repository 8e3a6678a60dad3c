-- resty.session: sessions of clients, in a cookie that nobody else can read or change.
--
-- The cookie holds a header and, unless a storage keeps it, the sealed data: a list with an entry
-- `{ data, audience, subject }` for each application that shares the session.
local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local envelope = require "resty.session.envelope"
local native = require "resty.openssl.native"
local random_bytes = require("resty.random").bytes

local decode64, encode64 = base64.decode_base64url, base64.encode_base64url
local ngx = ngx
local concat, insert, remove = table.concat, table.insert, table.remove
local gmatch, gsub, match, sub = string.gmatch, string.gsub, string.match, string.sub
local error, ipairs, next, pcall, require, setmetatable, tonumber, tostring, type =
  error, ipairs, next, pcall, require, setmetatable, tonumber, tostring, type
local min = math.min

local HEADER_LENGTH = 110
local LONGEST_COOKIE, MOST_COOKIES = 4000, 9
local ID_LENGTH = 32

local DEFAULTS = {
  cookie_name = "session", cookie_path = "/", cookie_http_only = true, cookie_same_site = "Lax",
  remember = false, remember_safety = "Medium", remember_cookie_name = "remember", audience = "default",
  stale_ttl = 10, idling_timeout = 900, rolling_timeout = 3600, absolute_timeout = 86400,
  remember_rolling_timeout = 604800, remember_absolute_timeout = 2592000, touch_threshold = 60,
  hash_storage_key = false, store_metadata = false,
}

local HEADERS = {
  id = "Session-Id", audience = "Session-Audience", subject = "Session-Subject",
  timeout = "Session-Timeout", ["idling-timeout"] = "Session-Idling-Timeout",
  ["rolling-timeout"] = "Session-Rolling-Timeout", ["absolute-timeout"] = "Session-Absolute-Timeout",
}

local _M = { _VERSION = "4.0.5" }
local methods = {}
local mt = { __index = methods }

-- Settings of `init`, and a key for those who give neither a secret nor key material.
local initial = {}
local own_ikm = random_bytes(32)


function _M.init(configuration)
  initial = configuration or {}
  if initial.ikm or initial.secret then
    return true
  end
  own_ikm = random_bytes(32)
  return true
end


local function setting(configuration, name)
  local value = configuration[name]
  if value == nil then
    value = initial[name]
  end
  if value == nil then
    value = DEFAULTS[name]
  end
  return value
end

local function ikm_of(secret, ikm, what)
  if ikm then
    if #ikm ~= 32 then
      error("invalid " .. what .. ": expected 32 bytes", 4)
    end
    return ikm
  end
  return secret and native.digest("sha256", secret)
end

local function keys_of(configuration)
  local secret, ikm = setting(configuration, "secret"), setting(configuration, "ikm")
  local keys = { envelope.extract(ikm_of(secret, ikm, "ikm") or own_ikm) }
  for _, fallback in ipairs(setting(configuration, "secret_fallbacks") or {}) do
    insert(keys, envelope.extract(ikm_of(fallback)))
  end
  for _, fallback in ipairs(setting(configuration, "ikm_fallbacks") or {}) do
    insert(keys, envelope.extract(ikm_of(nil, fallback, "ikm fallback")))
  end
  return keys
end

local function storage_of(configuration)
  local storage = setting(configuration, "storage")
  if storage == nil or storage == "cookie" then
    return nil
  elseif type(storage) == "table" then
    return storage
  end
  local ok, module = pcall(require, "resty.session." .. storage)
  if not ok then
    module = require(storage)
  end
  return module.new(setting(configuration, storage) or {})
end


function _M.new(configuration)
  configuration = configuration or {}
  local self = setmetatable({
    configuration = configuration, keys = keys_of(configuration), storage = storage_of(configuration),
    audience = setting(configuration, "audience"), state = "new", index = 1,
    remember = setting(configuration, "remember"),
  }, mt)
  self.data = { { {}, self.audience, setting(configuration, "subject") } }
  self.info = {
    data = {},
    set = function(info, key, value) info.data[key] = value end,
    get = function(info, key) return info.data[key] end,
    save = function() return self:save() end,
  }
  return self
end


-- ---- cookies --------------------------------------------------------------------------------

local function option(self, name)
  return setting(self.configuration, name)
end

local function cookie_name(self, persistent)
  local name = option(self, persistent and "remember_cookie_name" or "cookie_name")
  return (option(self, "cookie_prefix") or "") .. name
end

local function cookie_flags(self, persistent)
  local flags = {}
  local function add(text)
    flags[#flags + 1] = "; " .. text
  end
  if option(self, "cookie_domain") then
    add("Domain=" .. option(self, "cookie_domain"))
  end
  add("Path=" .. (option(self, "cookie_path") or "/"))
  local same_site = option(self, "cookie_same_site")
  if same_site then
    add("SameSite=" .. same_site)
  end
  if option(self, "cookie_priority") then
    add("Priority=" .. option(self, "cookie_priority"))
  end
  if option(self, "cookie_same_party") then
    add "SameParty"
  end
  if option(self, "cookie_partitioned") then
    add "Partitioned"
  end
  local secure = option(self, "cookie_secure")
  if secure == nil then
    secure = ngx.var.https == "on"
  end
  if secure then
    add "Secure"
  end
  if option(self, "cookie_http_only") then
    add "HttpOnly"
  end
  if persistent == "keep" then
    add("Max-Age=" .. option(self, "remember_rolling_timeout"))
  elseif persistent == "gone" then
    add "Expires=Thu, 01 Jan 1970 00:00:01 GMT"
    add "Max-Age=0"
  end
  return concat(flags)
end

local function read_cookie(name)
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
local function put_cookie(name, line)
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

local function write_cookie(self, value, persistent)
  local name = cookie_name(self, persistent)
  local flags = cookie_flags(self, persistent and "keep")
  if #value > LONGEST_COOKIE * MOST_COOKIES then
    return nil, "cookie size limit exceeded"
  end
  local count = 0
  for from = 1, #value, LONGEST_COOKIE do
    count = count + 1
    local part = count == 1 and name or name .. count
    put_cookie(part, part .. "=" .. sub(value, from, from + LONGEST_COOKIE - 1) .. flags)
  end
  return true
end

local function clear_cookie(self, persistent)
  local name = cookie_name(self, persistent)
  put_cookie(name, name .. "=" .. cookie_flags(self, "gone"))
end


-- ---- opening --------------------------------------------------------------------------------

local function storage_key(self, id)
  if option(self, "hash_storage_key") then
    id = native.digest("sha256", id)
  end
  return encode64(id)
end

local function timeouts(self, persistent)
  local prefix = persistent and "remember_" or ""
  return option(self, prefix .. "rolling_timeout"), option(self, prefix .. "absolute_timeout")
end

local function check_times(self, head, now, persistent)
  local rolling, absolute = timeouts(self, persistent)
  local age = now - head.created
  if absolute ~= 0 and age > absolute then
    return nil, "session absolute timeout exceeded"
  elseif rolling ~= 0 and age - head.rolling > rolling then
    return nil, "session rolling timeout exceeded"
  end
  local idling = option(self, "idling_timeout")
  if not persistent and idling ~= 0 and age - head.rolling - head.idling > idling then
    return nil, "session idling timeout exceeded"
  end
  return true
end

local function read_head(self, value)
  local text = decode64(sub(value, 1, HEADER_LENGTH))
  if not text then
    return nil, "invalid session cookie"
  end
  local err
  for _, key in ipairs(self.keys) do
    local head, bad = envelope.read(key, text)
    if head then
      return head, key
    end
    err = err or bad
  end
  return nil, err
end

local function hidden_of(self, head, value, persistent)
  if not self.storage then
    return decode64(sub(value, HEADER_LENGTH + 1))
  end
  local stored, err = self.storage:get(cookie_name(self, persistent), storage_key(self, head.id), ngx.time())
  if not stored then
    return nil, err or "unable to load session data"
  end
  local kept = cjson.decode(stored)
  if type(kept) ~= "table" or type(kept.data) ~= "string" then
    return nil, "unable to decode stored session"
  end
  self.info.data = kept.info or {}
  return decode64(kept.data)
end

local function choose_audience(self)
  for i, entry in ipairs(self.data) do
    if entry[2] == self.audience then
      self.index = i
      return true
    end
  end
  insert(self.data, { {}, self.audience })
  self.index = #self.data
  return nil, "missing session audience"
end

local function open_cookie(self, persistent)
  local value = read_cookie(cookie_name(self, persistent))
  if not value then
    return nil, "missing session cookie"
  end
  local head, key = read_head(self, value)
  if not head then
    return nil, key
  end
  local ok, err = check_times(self, head, ngx.time(), persistent)
  if not ok then
    return nil, err
  end
  local hidden
  hidden, err = hidden_of(self, head, value, persistent)
  if not hidden then
    return nil, err or "invalid session cookie"
  end
  local text
  text, err = envelope.unseal(key, head, hidden, persistent and option(self, "remember_safety"))
  if not text then
    return nil, err
  end
  local data = cjson.decode(text)
  if type(data) ~= "table" then
    return nil, "unable to decode session data"
  end
  self.data, self.head, self.key, self.payload = data, head, key, sub(value, HEADER_LENGTH + 1)
  return choose_audience(self)
end


function methods:open()
  local ok, err = open_cookie(self, false)
  if not ok and option(self, "remember") then
    ok = open_cookie(self, true)
    if ok then
      self.remember = true
      self.state = "open"
      return self:save()
    end
  end
  if not ok then
    return nil, err
  end
  self.state = "open"
  return true
end


-- ---- saving ---------------------------------------------------------------------------------

local function seal_and_send(self, persistent)
  local now = ngx.time()
  local before = self.head
  local head = {
    flags = self.storage and envelope.STORAGE or 0,
    id = random_bytes(ID_LENGTH), created = before and before.created or now, rolling = 0, idling = 0,
  }
  head.rolling = now - head.created
  local text, err = cjson.encode(self.data)
  if not text then
    return nil, err
  end
  local hidden
  head.text, hidden = envelope.seal(self.keys[1], head, text, persistent and option(self, "remember_safety"))
  local payload = encode64(hidden)
  local name = cookie_name(self, persistent)
  if self.storage then
    local rolling = timeouts(self, persistent)
    local kept = cjson.encode { data = payload, info = next(self.info.data) and self.info.data or nil }
    local old = before and not persistent and storage_key(self, before.id) or nil
    local entry = self.data[self.index]
    local metadata = option(self, "store_metadata")
      and { audiences = { entry[2] }, subjects = { entry[3] } } or nil
    local ok
    ok, err = self.storage:set(name, storage_key(self, head.id), kept, rolling, now, old,
                               option(self, "stale_ttl"), metadata, self.remember)
    if not ok then
      return nil, err or "unable to store session data"
    end
    payload = ""
  end
  local ok
  ok, err = write_cookie(self, encode64(head.text) .. payload, persistent)
  if not ok then
    return nil, err
  end
  return head, payload
end

function methods:save()
  local entry = self.data[self.index]
  if option(self, "enforce_same_subject") and entry[3] then
    for i = #self.data, 1, -1 do
      if self.data[i][3] ~= entry[3] then
        remove(self.data, i)
      end
    end
    choose_audience(self)
  end
  local head, payload = seal_and_send(self, false)
  if not head then
    return nil, payload
  end
  if self.remember then
    local kept, err = seal_and_send(self, true)
    if not kept then
      return nil, err
    end
  end
  self.head, self.key, self.payload, self.state = head, self.keys[1], payload, "open"
  return true
end


local function require_open(self, what)
  if self.state ~= "open" then
    return nil, "unable to " .. what .. " a closed session"
  end
  return true
end

-- Tells the client that the session was used just now.
function methods:touch()
  local ok, err = require_open(self, "touch")
  if not ok then
    return nil, err
  end
  local head = self.head
  head.idling = min(ngx.time() - head.created - head.rolling, 16777215)
  head.text = envelope.sign(self.key, head.id, head.text, head.idling)
  return write_cookie(self, encode64(head.text) .. (self.payload or ""), false)
end

-- Saves a session of which three quarters of the rolling timeout are over; else touches it.
function methods:refresh()
  local ok, err = require_open(self, "refresh")
  if not ok then
    return nil, err
  end
  local head = self.head
  local rolling = option(self, "rolling_timeout")
  local age = ngx.time() - head.created - head.rolling
  if rolling ~= 0 and age > rolling * 3 / 4 then
    return self:save()
  end
  if age - head.idling > option(self, "touch_threshold") then
    return self:touch()
  end
  return true
end


function methods:destroy()
  local ok, err = require_open(self, "destroy")
  if not ok then
    return nil, err
  end
  if self.storage then
    ok, err = self.storage:delete(cookie_name(self), storage_key(self, self.head.id), ngx.time())
    if not ok then
      return nil, err or "unable to destroy session"
    end
  end
  clear_cookie(self, false)
  if self.remember then
    clear_cookie(self, true)
  end
  self.state = "closed"
  return true
end

function methods:logout()
  local ok, err = require_open(self, "logout")
  if not ok then
    return nil, err
  end
  if #self.data == 1 then
    return self:destroy()
  end
  remove(self.data, self.index)
  self.index = 1
  return self:save()
end

function methods:close()
  self.state = "closed"
end


-- ---- data -----------------------------------------------------------------------------------

function methods:set_data(data)
  self.data[self.index][1] = data
end

function methods:get_data()
  return self.data[self.index][1]
end

function methods:set(key, value)
  self.data[self.index][1][key] = value
end

function methods:get(key)
  return self.data[self.index][1][key]
end

function methods:set_audience(audience)
  self.audience = audience
  self.data[self.index][2] = audience
end

function methods:get_audience()
  return self.data[self.index][2]
end

function methods:set_subject(subject)
  self.data[self.index][3] = subject
end

function methods:get_subject()
  return self.data[self.index][3]
end

function methods:set_remember(remember)
  self.remember = remember
end

function methods:get_remember()
  return self.remember
end


local function left(limit, since)
  return limit ~= 0 and limit - since or nil
end

local PROPERTIES = {
  id = function(_, head) return encode64(head.id) end,
  nonce = function(_, head) return head.id end,
  audience = function(self) return self:get_audience() end,
  subject = function(self) return self:get_subject() end,
  ["idling-timeout"] = function(self, head, age)
    return left(option(self, "idling_timeout"), age - head.rolling - head.idling)
  end,
  ["rolling-timeout"] = function(self, head, age)
    return left(option(self, "rolling_timeout"), age - head.rolling)
  end,
  ["absolute-timeout"] = function(self, _, age)
    return left(option(self, "absolute_timeout"), age)
  end,
}

function methods:get_property(name)
  local head = self.head
  if not head then
    return nil
  end
  local age = ngx.time() - head.created
  if name == "timeout" then
    local closest
    for _, kind in ipairs { "idling-timeout", "rolling-timeout", "absolute-timeout" } do
      local time = PROPERTIES[kind](self, head, age)
      if time and (not closest or time < closest) then
        closest = time
      end
    end
    return closest
  end
  local property = PROPERTIES[name]
  return property and property(self, head, age)
end


-- ---- headers --------------------------------------------------------------------------------

local function set_headers(self, put, names)
  for _, name in ipairs(names) do
    local value = self:get_property(name)
    if value ~= nil and HEADERS[name] then
      put(HEADERS[name], tostring(value))
    end
  end
  return true
end

function methods:set_request_headers(...)
  local names = { ... }
  return set_headers(self, ngx.req.set_header, names[1] and names or option(self, "request_headers") or {})
end

function methods:set_response_headers(...)
  local names = { ... }
  return set_headers(self, function(name, value)
    ngx.header[name] = value
  end, names[1] and names or option(self, "response_headers") or {})
end

function methods:set_headers(...)
  self:set_request_headers(...)
  return self:set_response_headers(...)
end

-- Keeps the session's cookies from the upstream.
function methods:clear_request_cookie()
  local cookies = ngx.var.http_cookie
  if not cookies then
    return true
  end
  local own = {}
  for _, name in ipairs { cookie_name(self), cookie_name(self, true) } do
    own[name] = true
  end
  local kept = {}
  for pair in gmatch(cookies, "[^;]+") do
    pair = gsub(pair, "^%s+", "")
    local name = match(pair, "^([^=]*)")
    local base, number = match(name, "^(.-)(%d)$")
    if not own[name] and not (number and own[base] and tonumber(number) > 1) then
      insert(kept, pair)
    end
  end
  if kept[1] then
    ngx.req.set_header("Cookie", concat(kept, "; "))
  else
    ngx.req.clear_header("Cookie")
  end
  return true
end


-- ---- helpers --------------------------------------------------------------------------------

function _M.open(configuration)
  local session = _M.new(configuration)
  local exists, err = session:open()
  return session, err, exists == true
end

function _M.start(configuration)
  local session, err, exists = _M.open(configuration)
  if not exists then
    return session, err, false, false
  end
  local refreshed, refresh_err = session:refresh()
  return session, refresh_err, true, refreshed == true
end

local function ending(method)
  return function(configuration)
    local session, err, exists = _M.open(configuration)
    if not exists then
      return nil, err, false, false
    end
    local ok
    ok, err = session[method](session)
    if not ok then
      return nil, err, true, false
    end
    return true, nil, true, true
  end
end

_M.logout, _M.destroy = ending "logout", ending "destroy"


return _M
