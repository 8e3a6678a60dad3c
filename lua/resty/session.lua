-- resty.session: sessions of clients, in a cookie that nobody else can read or change.
--
-- The cookie holds a header and, unless a storage keeps it, the sealed data: a list with an entry
-- `{ data, audience, subject }` for each application that shares the session.
local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local cookies = require "resty.session.cookies"
local envelope = require "resty.session.envelope"
local native = require "resty.openssl.native"
local random_bytes = require("resty.random").bytes
local settings = require "resty.session.settings"

local decode64, encode64 = base64.decode_base64url, base64.encode_base64url
local setting = settings.of
local ngx = ngx
local concat, insert, remove = table.concat, table.insert, table.remove
local gmatch, gsub, match, sub = string.gmatch, string.gsub, string.match, string.sub
local ipairs, next, pcall, require, setmetatable, tonumber, type =
  ipairs, next, pcall, require, setmetatable, tonumber, type
local min = math.min

local HEADER_LENGTH = 110
local ID_LENGTH = 32

local _M = { _VERSION = "4.0.5", init = settings.init }
local methods = {}
local mt = { __index = methods }

require "resty.session.properties"(methods)


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
    configuration = configuration, keys = settings.keys(configuration), storage = storage_of(configuration),
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


-- ---- opening --------------------------------------------------------------------------------

local function option(self, name)
  return setting(self.configuration, name)
end

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
  local stored, err = self.storage:get(cookies.name(self, persistent), storage_key(self, head.id), ngx.time())
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
  local value = cookies.read(self, persistent)
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
  local name = cookies.name(self, persistent)
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
  ok, err = cookies.write(self, encode64(head.text) .. payload, persistent)
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
  return cookies.write(self, encode64(head.text) .. (self.payload or ""), false)
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
    ok, err = self.storage:delete(cookies.name(self), storage_key(self, self.head.id), ngx.time())
    if not ok then
      return nil, err or "unable to destroy session"
    end
  end
  cookies.clear(self, false)
  if self.remember then
    cookies.clear(self, true)
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


-- ---- the request ------------------------------------------------------------------------------

-- Keeps the session's cookies from the upstream.
function methods:clear_request_cookie()
  local line = ngx.var.http_cookie
  if not line then
    return true
  end
  local own = {}
  for _, name in ipairs { cookies.name(self), cookies.name(self, true) } do
    own[name] = true
  end
  local kept = {}
  for pair in gmatch(line, "[^;]+") do
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
