-- resty.acme.storage.vault: the key/value secrets engine, version 2, of Vault, over HTTP.
--
-- A secret has `value` and maybe `ends`, in seconds since 1970; it is gone for readers then.
local cjson = require "cjson.safe"
local http = require "resty.http"

local ngx = ngx
local escape_uri = ngx.escape_uri
local fmt, io_open, ipairs, match, setmetatable, sub =
  string.format, io.open, ipairs, string.match, setmetatable, string.sub

local DEFAULT_TIMEOUT = 2000
local JWT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount/token"

local _M = {}
local mt = { __index = _M }


function _M.new(conf)
  conf = conf or {}
  local mount, path = match(conf.kv_path or "secret/acme", "^([^/]+)/?(.*)$")
  return setmetatable({
    base = fmt("%s://%s:%d/v1/", conf.https and "https" or "http", conf.host or "127.0.0.1",
               conf.port or 8200),
    mount = mount, path = path ~= "" and path .. "/" or "",
    timeout = conf.timeout or DEFAULT_TIMEOUT, token = conf.token,
    verify = conf.tls_verify ~= false, server_name = conf.tls_server_name,
    kubernetes = conf.auth_method == "kubernetes" and {
      path = conf.auth_path or "kubernetes", role = conf.auth_role, jwt_path = conf.jwt_path or JWT_PATH,
    },
  }, mt)
end


local function send(self, method, path, body)
  local client = http.new()
  client:set_timeout(self.timeout)
  local response, err = client:request_uri(self.base .. path, {
    method = method, body = body and cjson.encode(body), headers = { ["X-Vault-Token"] = self.token },
    ssl_verify = self.verify, ssl_server_name = self.server_name,
  })
  if not response then
    return nil, err
  elseif response.status >= 400 and response.status ~= 404 then
    local told = cjson.decode(response.body) or {}
    return nil, fmt("vault answered %d: %s", response.status, told.errors and told.errors[1] or "")
  end
  return cjson.decode(response.body) or {}
end


-- Gets a token for the service account of the pod; nil and an error.
local function log_in(self)
  local file, err = io_open(self.kubernetes.jwt_path)
  if not file then
    return nil, err
  end
  local jwt = file:read("*a")
  file:close()
  local path = match(self.kubernetes.path, "/login$") and self.kubernetes.path
    or "auth/" .. self.kubernetes.path .. "/login"
  local answer
  answer, err = send(self, "POST", path, { jwt = jwt, role = self.kubernetes.role })
  if not answer or not answer.auth then
    return nil, err or "vault gave no token"
  end
  self.token = answer.auth.client_token
  return true
end


local function ask(self, method, kind, key, body)
  if self.kubernetes and not self.token then
    local ok, err = log_in(self)
    if not ok then
      return nil, err
    end
  end
  return send(self, method, self.mount .. "/" .. kind .. "/" .. self.path .. key, body)
end


-- The value of a key that has not ended, and the version that it was written as.
local function read(self, key)
  local answer, err = ask(self, "GET", "data", escape_uri(key))
  if not answer then
    return nil, nil, err
  end
  local found = answer.data or {}
  local secret, version = found.data, found.metadata and found.metadata.version or 0
  if not secret or secret == cjson.null or secret.ends and secret.ends < ngx.time() then
    return nil, version
  end
  return secret.value, version
end


local function write(self, key, value, ttl, version)
  local answer, err = ask(self, "POST", "data", escape_uri(key), {
    data = { value = value, ends = ttl and ngx.time() + ttl },
    options = version and { cas = version },
  })
  return not answer and err or nil
end


-- Sets what is not there yet; returns an error, "exists" when it is.
function _M:add(key, value, ttl)
  local known, version, err = read(self, key)
  if err then
    return err
  elseif known then
    return "exists"
  end
  err = write(self, key, value, ttl, version)
  return err and match(err, "check%-and%-set") and "exists" or err
end


function _M:set(key, value, ttl)
  return write(self, key, value, ttl)
end


function _M:delete(key)
  local ok, err = ask(self, "DELETE", "metadata", escape_uri(key))
  return not ok and err or nil
end


function _M:get(key)
  local value, _, err = read(self, key)
  return value, err
end


-- The keys that begin with a text; nil and an error.
function _M:list(prefix)
  local answer, err = ask(self, "LIST", "metadata", "")
  if not answer then
    return nil, err
  end
  local found = {}
  prefix = prefix or ""
  for _, key in ipairs(answer.data and answer.data.keys or {}) do
    key = ngx.unescape_uri(key)
    if sub(key, 1, #prefix) == prefix then
      found[#found + 1] = key
    end
  end
  return found
end


return _M
