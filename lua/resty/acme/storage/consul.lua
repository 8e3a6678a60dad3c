-- resty.acme.storage.consul: the key/value store of Consul, over HTTP.
--
-- When a value ends is in its flags, in milliseconds since 1970; it is gone for readers then.
local cjson = require "cjson.safe"
local http = require "resty.http"

local ngx = ngx
local encode_args, escape_uri, decode_base64 = ngx.encode_args, ngx.escape_uri, ngx.decode_base64
local floor, fmt, ipairs, setmetatable, sub = math.floor, string.format, ipairs, setmetatable, string.sub

local DEFAULT_TIMEOUT = 2000

local _M = {}
local mt = { __index = _M }


function _M.new(conf)
  conf = conf or {}
  return setmetatable({
    base = fmt("%s://%s:%d/v1/kv/", conf.https and "https" or "http", conf.host or "127.0.0.1",
               conf.port or 8500),
    path = (conf.kv_path or "acme") .. "/",
    timeout = conf.timeout or DEFAULT_TIMEOUT,
    token = conf.token,
  }, mt)
end


local function now()
  ngx.update_time()
  return floor(ngx.now() * 1000)
end


-- Asks; nil and an error when there is no answer, or one of failure. A 404 is an answer.
local function ask(self, method, key, arguments, body)
  local client = http.new()
  client:set_timeout(self.timeout)
  local url = self.base .. self.path .. escape_uri(key) .. "?" .. encode_args(arguments or {})
  local response, err = client:request_uri(url, {
    method = method, body = body, headers = { ["X-Consul-Token"] = self.token },
  })
  if not response then
    return nil, err
  elseif response.status ~= 200 and response.status ~= 404 then
    return nil, "consul answered " .. response.status .. ": " .. response.body
  end
  return response
end


-- The value of a key that has not ended, and the index that it was written with.
local function read(self, key)
  local response, err = ask(self, "GET", key)
  if not response then
    return nil, nil, err
  end
  local item = response.status == 200 and (cjson.decode(response.body) or {})[1]
  if not item then
    return nil, 0
  elseif item.Flags > 0 and item.Flags < now() then
    return nil, item.ModifyIndex
  end
  return decode_base64(item.Value), item.ModifyIndex
end


local function write(self, key, value, ttl, index)
  return ask(self, "PUT", key, { flags = ttl and now() + floor(ttl * 1000) or 0, cas = index }, value)
end


-- Sets what is not there yet; returns an error, "exists" when it is.
function _M:add(key, value, ttl)
  local known, index, err = read(self, key)
  if err then
    return err
  elseif known then
    return "exists"
  end
  local response
  response, err = write(self, key, value, ttl, index)
  if not response then
    return err
  elseif sub(response.body, 1, 4) ~= "true" then
    return "exists"
  end
end


function _M:set(key, value, ttl)
  local _, err = write(self, key, value, ttl)
  return err
end


function _M:delete(key)
  local _, err = ask(self, "DELETE", key)
  return err
end


function _M:get(key)
  local value, _, err = read(self, key)
  return value, err
end


-- The keys that begin with a text; nil and an error.
function _M:list(prefix)
  local response, err = ask(self, "GET", prefix or "", { keys = true })
  if not response then
    return nil, err
  end
  local found = {}
  for i, key in ipairs(response.status == 200 and cjson.decode(response.body) or {}) do
    found[i] = sub(key, #self.path + 1)
  end
  return found
end


return _M
