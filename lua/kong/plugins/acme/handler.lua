-- acme: certificates from an ACME server, for the names that clients ask for.

local client = require "kong.plugins.acme.client"
local kong_certificate = require "kong.runloop.certificate"
local kong_meta = require "kong.meta"
local ngx_ssl = require "ngx.ssl"
local storage = require "kong.plugins.acme.storage"

local kong, ngx, null = kong, ngx, ngx.null
local concat, find, gsub, ipairs, lower, match, setmetatable, sub =
  table.concat, string.find, string.gsub, ipairs, string.lower, string.match, setmetatable, string.sub
local re_find = ngx.re.find

local DAY = 86400
local CHALLENGE = "^/%.well%-known/acme%-challenge/(.+)$"
-- What is asked to see whether challenges would get here.
local SANITY_TOKEN = "x"

local Acme = {
  VERSION = kong_meta.version,
  PRIORITY = 1705,
}

-- The configuration that certificates are renewed by, the names it has, and the certificate of no name.
local renewed, matcher, default_certificate


-- What answers whether a name is one of `domains`, when it is indexed by it; false without any.
function Acme.build_domain_matcher(domains)
  if not domains or domains == null then
    return false
  end
  local names, suffixes = {}, {}
  for _, domain in ipairs(domains) do
    if sub(domain, 1, 1) == "*" then
      suffixes[#suffixes + 1] = gsub(sub(domain, 2), "%.", "\\.")
    else
      names[domain] = true
    end
  end
  local pattern = suffixes[1] and "(" .. concat(suffixes, "|") .. ")$"
  return setmetatable(names, { __index = function(_, name)
    return pattern and re_find(name, pattern, "jo") ~= nil or false
  end })
end


-- Whether a name may have a certificate.
local function is_allowed(conf, host)
  if not conf.enable_ipv4_common_name and find(host, "^%d+%.%d+%.%d+%.%d+$") then
    return false
  elseif conf.allow_any_domain then
    return true
  end
  if matcher == nil then
    matcher = Acme.build_domain_matcher(conf.domains)
  end
  return matcher and matcher[host]
end


-- ---- renewal --------------------------------------------------------------------------------

function Acme.renew(premature)
  if not premature and renewed then
    client.renew_certificate(renewed)
  end
end


function Acme:init_worker()
  kong.log.info("acme renew timer started on worker ", ngx.worker.id() or -1)
  ngx.timer.every(DAY, Acme.renew)
end


function Acme:configure(configs)
  renewed = configs and configs[1] or nil
  if renewed then
    matcher = Acme.build_domain_matcher(renewed.domains)
  end
end


-- ---- handshakes -----------------------------------------------------------------------------

local function get_new(premature, conf, host)
  if premature then
    return
  end
  local tried, err = client.update_certificate(conf, host, nil)
  if not err and tried then
    err = client.store_renew_config(conf, host)
  end
  if err then
    kong.log.err("failed to update certificate for host: ", host, " err:", err)
  end
end


local function serve(certkey)
  for _, step in ipairs {
    { "clear_certs" }, { "set_der_cert", certkey.cert }, { "set_der_priv_key", certkey.key },
  } do
    local ok, err = ngx_ssl[step[1]](step[2])
    if not ok then
      kong.log.warn(step[1], " failed: ", err)
    end
  end
end


-- Whether a name has a certificate that is none of ours to serve.
local function has_another(host)
  local found, err = kong_certificate.find_certificate(host)
  if err then
    kong.log.err("error find certificate for current request:", err)
    return true
  end
  default_certificate = default_certificate or kong_certificate.find_certificate()
  return found ~= default_certificate
end


function Acme:certificate(conf)
  local host, err = ngx_ssl.server_name()
  if not host then
    kong.log.debug("ignoring because no SNI provided by client: ", err)
    return
  end
  host = lower(host)
  if not is_allowed(conf, host) then
    kong.log.debug("ignoring because domain is not in allowed-list: ", host)
    return
  elseif has_another(host) then
    kong.log.debug("ignoring because non-default cert is served")
    return
  end

  local certkey
  certkey, err = client.load_certkey_cached(conf, host)
  if err then
    kong.log.warn("can't load cert and key from storage: ", err)
  elseif certkey then
    kong.log.debug("set certificate for host: ", host)
    serve(certkey)
  elseif kong.configuration.role == "data_plane" and conf.storage == "kong" then
    kong.log.err("creating new certificate through proxy side with \"kong\" storage in Hybrid mode is not ",
                 "supported; consider create certificate using Admin API or use other external storages")
  else
    -- this client gets the default one
    ngx.timer.at(0, get_new, conf, host)
  end
end


-- ---- challenges -----------------------------------------------------------------------------

function Acme:access(conf)
  if kong.client.get_protocol() ~= "http" then
    return
  end
  local host, token = kong.request.get_host(), match(kong.request.get_path(), CHALLENGE)
  if not token or not host or not is_allowed(conf, host) then
    return
  elseif token == SANITY_TOKEN then
    return kong.response.exit(404, "Not found\n")
  end
  local kept, err = storage.open(conf)
  local value
  if kept then
    value, err = kept:get(token .. "#http-01")
  end
  if err then
    kong.log.err("failed to read the challenge: ", err)
    return kong.response.exit(500)
  end
  return kong.response.exit(value and 200 or 404, value and value .. "\n" or "Not found\n")
end


return Acme
