-- resty.acme.client: certificates from an ACME server (RFC 8555), by HTTP challenges.
local cjson = require "cjson.safe"

-- Wherever this library is loaded slashes are left as they are in all JSON that Lua code writes: the setting
-- is not of one module only.
cjson.encode_escape_forward_slash(false)
local pkey = require "resty.openssl.pkey"
local signer = require "resty.acme.jws"
local util = require "resty.acme.util"
local x509 = require "resty.openssl.x509"

local ngx = ngx
local concat, gmatch, ipairs, match, pairs, require, setmetatable, tonumber, type =
  table.concat, string.gmatch, ipairs, string.match, pairs, require, setmetatable, tonumber, type

-- Seconds between looks at what the server does, and how often; seconds that a challenge can be answered.
local INTERVAL, LOOKS, CHALLENGE_LIFE = 2, 60, 3600
local CHALLENGE = "http-01"
local PATH = "%.well%-known/acme%-challenge/(.+)$"

local _M = {}
local mt = { __index = _M }

local DEFAULTS = {
  api_uri = "https://acme-v02.api.letsencrypt.org/directory",
  storage_adapter = "shm",
  storage_config = {},
}


-- A client of a server, for an account: `account_key` (PEM), `account_email`, `eab_kid`, `eab_hmac_key`,
-- `preferred_chain`, `challenge_start_callback`. Challenges are kept in a storage for whoever is asked.
function _M.new(options)
  local self = setmetatable({}, mt)
  for _, from in ipairs { DEFAULTS, options } do
    for key, value in pairs(from) do
      self[key] = value
    end
  end
  local adapter = self.storage_adapter
  if not match(adapter, "%.") then
    adapter = "resty.acme.storage." .. adapter
  end
  local err
  self.storage, err = require(adapter).new(self.storage_config)
  if not self.storage then
    return nil, err
  end
  if self.account_key then
    self.account_pkey, err = pkey.new(self.account_key)
    if not self.account_pkey then
      return nil, err
    end
  end
  return self
end


-- Reads the server's directory; returns an error.
function _M:init()
  if not self.account_pkey then
    return "account_key is not set"
  end
  local response, err = signer.request(self.api_uri)
  if not response then
    return "acme directory request failed: " .. err
  end
  self.directory = response.status == 200 and cjson.decode(response.body) or nil
  if not self.directory or not self.directory.newNonce or not self.directory.newAccount
     or not self.directory.newOrder
  then
    return "acme directory endpoint is missing at " .. self.api_uri .. " (status " .. response.status .. ")"
  end
  self.signer = signer.new(self.account_pkey, self.directory)
end


-- Registers the account, or finds it; returns its URL, or nil and an error.
function _M:new_account()
  if self.signer.kid then
    return self.signer.kid
  end
  local url, binding = self.directory.newAccount, nil
  if self.eab_kid and self.eab_hmac_key then
    local err
    binding, err = self.signer:external_account(url, self.eab_kid, self.eab_hmac_key)
    if not binding then
      return nil, err
    end
  end
  local account, response = self.signer:post(url, {
    termsOfServiceAgreed = true,
    contact = self.account_email and { "mailto:" .. self.account_email } or nil,
    externalAccountBinding = binding,
  })
  if not account then
    return nil, "failed to create account: " .. response
  end
  self.signer.kid = response.headers["Location"]
  return self.signer.kid
end


-- Looks at a URL until its status is one of `wanted`; nil and an error.
local function wait_for(self, url, wanted, what)
  for _ = 1, LOOKS do
    local found, response = self.signer:post(url, "")
    if not found then
      return nil, response
    elseif wanted[found.status] then
      return found
    elseif found.status == "invalid" then
      local challenge = found.challenges and found.challenges[1]
      for _, other in ipairs(found.challenges or {}) do
        challenge = other.error and other or challenge
      end
      local problem = challenge and challenge.error or found.error or {}
      return nil, what .. " is invalid: " .. (problem.detail or "no reason given")
    end
    ngx.sleep(tonumber(response.headers["Retry-After"]) or INTERVAL)
  end
  return nil, what .. " is still not done"
end


local function challenge_in(authorization)
  for _, challenge in ipairs(authorization.challenges or {}) do
    if challenge.type == CHALLENGE then
      return challenge
    end
  end
end


-- Proves that a name is served here; returns an error.
local function authorize(self, url)
  local authorization, err = self.signer:post(url, "")
  if not authorization then
    return err
  elseif authorization.status == "valid" then
    return nil
  end
  local challenge = challenge_in(authorization)
  if not challenge then
    return "the server offers no " .. CHALLENGE .. " challenge"
  end
  local key = challenge.token .. "#" .. CHALLENGE
  err = self.storage:set(key, challenge.token .. "." .. self.signer.thumbprint, CHALLENGE_LIFE)
  if err then
    return "cannot keep the challenge: " .. err
  end
  if self.challenge_start_callback and not self.challenge_start_callback(CHALLENGE, challenge.token) then
    return "challenge start callback failed"
  end

  local ok
  ok, err = self.signer:post(challenge.url, "{}")
  if ok then
    ok, err = wait_for(self, url, { valid = true }, "authorization")
  end
  self.storage:delete(key)
  return not ok and err or nil
end


-- The issuer's common name of a chain's last certificate.
local function root_of(chain)
  local last
  for certificate in gmatch(chain, "%-%-%-%-%-BEGIN CERTIFICATE.-END CERTIFICATE%-%-%-%-%-") do
    last = certificate
  end
  local parsed = last and x509.new(last)
  local name = parsed and parsed:get_issuer_name():find("CN")
  return name and name.blob
end


local function links_of(response)
  local links = response.headers["Link"]
  local found = {}
  for target in gmatch(type(links) == "table" and concat(links, ",") or links or "",
                       '<([^>]+)>%s*;%s*rel="alternate"') do
    found[#found + 1] = target
  end
  return found
end


-- The certificate with its chain; the preferred one, where there are several. Nil and an error.
local function download(self, url)
  local chain, response = self.signer:post(url, "")
  if not chain then
    return nil, response
  elseif not self.preferred_chain or root_of(chain) == self.preferred_chain then
    return chain
  end
  for _, link in ipairs(links_of(response)) do
    local other = self.signer:post(link, "")
    if other and root_of(other) == self.preferred_chain then
      return other
    end
  end
  return chain
end


local function identifiers_of(hosts)
  local identifiers = {}
  for i, host in ipairs(hosts) do
    local kind = match(host, "^%d+%.%d+%.%d+%.%d+$") and "ip" or "dns"
    identifiers[i] = { type = kind, value = host }
  end
  return identifiers
end


-- Orders a certificate for a private key (PEM) and names. Returns the chain as PEM, or nil and an error.
function _M:order_certificate(domain_key, ...)
  local key, err = pkey.new(domain_key)
  if not key then
    return nil, "invalid domain pkey: " .. err
  end
  local order, response = self.signer:post(self.directory.newOrder, { identifiers = identifiers_of { ... } })
  if not order then
    return nil, "failed to create new order: " .. response
  end
  local order_url = response.headers["Location"]
  for _, url in ipairs(order.authorizations) do
    err = authorize(self, url)
    if err then
      return nil, err
    end
  end

  local request
  request, err = util.create_csr(key, ...)
  if not request then
    return nil, "failed to create csr: " .. err
  end
  order, err = wait_for(self, order_url, { ready = true, valid = true }, "order")
  if order and order.status == "ready" then
    order, err = self.signer:post(order.finalize, { csr = util.encode_base64url(request) })
  end
  if order then
    order, err = wait_for(self, order_url, { valid = true }, "order")
  end
  if not order then
    return nil, err
  end
  return download(self, order.certificate)
end


-- Answers the current request with the challenge that it asks for.
function _M:serve_http_challenge()
  local token = match(ngx.var.request_uri, PATH)
  local value, err = self.storage:get((token or "") .. "#" .. CHALLENGE)
  if err then
    ngx.log(ngx.ERR, "cannot read the challenge: ", err)
    return ngx.exit(500)
  elseif not value then
    ngx.status = 404
    ngx.say("Not found")
    return ngx.exit(404)
  end
  ngx.say(value)
  return ngx.exit(200)
end


return _M
