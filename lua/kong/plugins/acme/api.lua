-- The paths /acme and /acme/certificates of the Admin API.

local client = require "kong.plugins.acme.client"
local handler = require "kong.plugins.acme.handler"
local http = require "resty.http"
local x509 = require "resty.openssl.x509"

local kong, ngx = kong, ngx
local byte, date, find, fmt, gsub, ipairs, sub, type =
  string.byte, os.date, string.find, string.format, string.gsub, ipairs, string.sub, type

local PAGE = 1000
local TIME = "%Y-%m-%d %H:%M:%S"
local ERR_HOST = "host must be provided and containing a single domain"


-- The plugin's configuration; answers when there is none.
local function configuration()
  for plugin, err in kong.db.plugins:each(PAGE) do
    if err then
      return kong.response.exit(500, { message = err })
    elseif plugin.name == "acme" then
      return plugin.config
    end
  end
  return kong.response.exit(404)
end


local function fail(err)
  return kong.response.exit(500, { message = err })
end


-- ---- certificates ---------------------------------------------------------------------------

-- Bytes as "AB:CD", of themselves or of a text in hexadecimal.
local function colons(bytes)
  return sub(gsub(bytes, ".", function(char)
    return fmt("%02X:", byte(char))
  end), 1, -2)
end


local function common_name(name)
  local found = name:find("CN")
  return found and found.blob
end


-- What a certificate tells.
local function facts_of(certkey)
  local cert = x509.new(certkey.cert)
  local from, to, now = cert:get_not_before(), cert:get_not_after(), ngx.time()
  return {
    digest = colons(cert:digest()),
    host = common_name(cert:get_subject_name()),
    issuer_cn = common_name(cert:get_issuer_name()),
    not_before = date(TIME, from),
    not_after = date(TIME, to),
    valid = from < now and to > now,
    serial_number = colons(cert:get_serial_number():to_binary()),
    pubkey_type = cert:get_pubkey():get_key_type().sn,
  }
end


local function all_certificates(self)
  local conf = configuration()
  local hosts, err = client.load_renew_hosts(conf)
  if not hosts then
    return fail(err)
  end
  local data = {}
  for _, host in ipairs(hosts) do
    local certkey
    certkey, err = client.load_certkey(conf, host)
    if err then
      return fail(err)
    elseif not certkey then
      kong.log.warn("[acme]", host, " is defined in renew_config but its cert and key is missing")
    else
      local facts = facts_of(certkey)
      if not self.params.invalid_only or not facts.valid then
        data[#data + 1] = facts
      end
    end
  end
  return kong.response.exit(200, { data = data })
end


local function one_certificate(self)
  local host = self.params.certificates
  local certkey, err = client.load_certkey(configuration(), host)
  if err then
    return fail(err)
  elseif not certkey then
    return kong.response.exit(404, { message = "Certificate for host " .. host .. "not found in storage" })
  end
  return kong.response.exit(200, { data = facts_of(certkey) })
end


-- ---- getting them ---------------------------------------------------------------------------

-- What is wrong with the answer to a challenge that is none; nothing if it would get here.
local function fault(conf, host)
  local domains = handler.build_domain_matcher(conf.domains)
  if not domains or not domains[host] then
    return "host is not included in plugin config.domains"
  end
  local url = fmt("http://%s/.well-known/acme-challenge/", host)
  local response, err = http.new():request_uri(url .. "x")
  if not response then
    return err
  elseif find(response.body, "no Route matched with those values", 1, true) then
    return url .. "* doesn't map to a Route in Kong; "
      .. "please refer to docs on how to create dummy Route and Service"
  elseif response.body ~= "Not found\n" then
    local status = response.status ~= 404 and fmt(", unexpected status code: %d", response.status) or ""
    return "unexpected response: \"" .. response.body .. "\"" .. status
  end
end


local function test_flow(conf, host)
  local reason = fault(conf, host)
  if reason then
    return kong.response.exit(400, {
      message = "problem found running sanity check for " .. host .. ": " .. reason,
    })
  end
  return kong.response.exit(200, { message = "sanity test for host " .. host .. " passed" })
end


local function create(self)
  local conf, host = configuration(), self.params.host
  if type(host) ~= "string" or host == "" then
    return kong.response.exit(400, { message = ERR_HOST })
  elseif find(host, ":", 1, true) then
    return kong.response.exit(400, { message = "port is not allowed in host" })
  elseif self.params.test_http_challenge_flow == true then
    return test_flow(conf, host)
  end

  local _, err = client.update_certificate(conf, host, nil)
  if err then
    return fail("failed to update certificate: " .. err)
  end
  err = client.store_renew_config(conf, host)
  if err then
    return fail("failed to store renew config: " .. err)
  end
  return kong.response.exit(201, { message = "certificate for host " .. host .. " is created" })
end


local function renew()
  ngx.timer.at(0, handler.renew)
  return kong.response.exit(202, { message = "Renewal process started successfully" })
end


return {
  ["/acme"] = { POST = create, PATCH = renew },
  ["/acme/certificates"] = { GET = all_certificates },
  ["/acme/certificates/:certificates"] = { GET = one_certificate },
}
