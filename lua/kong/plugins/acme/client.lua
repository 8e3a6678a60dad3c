-- Certificates: got from the server, kept, found and renewed.

local account = require "kong.plugins.acme.account"
local acme = require "resty.acme.client"
local cjson = require "cjson.safe"
local ngx_ssl = require "ngx.ssl"
local reserved_words = require "kong.plugins.acme.reserved_words"
local storage = require "kong.plugins.acme.storage"
local util = require "resty.acme.util"
local x509 = require "resty.openssl.x509"

local kong, ngx = kong, ngx
local find, fmt, ipairs, sub, tonumber = string.find, string.format, ipairs, string.sub, tonumber

local RENEW, LAST_RUN, CERTKEY =
  reserved_words.RENEW_KEY_PREFIX, reserved_words.RENEW_LAST_RUN_KEY, reserved_words.CERTKEY_KEY_PREFIX
-- Seconds: of a day, of a certificate, that one order may take, and that what was read is kept.
local DAY, LIFE, LOCK, KEPT, ABSENCE_KEPT = 86400, 90 * 86400, 30, 3600, 5
local TAGS = { "managed-by-acme" }

-- What specs say instead of the node's configuration.
local is_dbless

local _M = {}


local function is_hybrid()
  local role = kong.configuration.role
  return role == "control_plane" or role == "data_plane"
end


-- Whether certificates are kept in the storage, not as entities.
local function is_in_storage()
  if is_dbless ~= nil then
    return is_dbless or is_hybrid()
  end
  return kong.configuration.database == "off" or is_hybrid()
end


-- ---- reading --------------------------------------------------------------------------------

local function read_account(text)
  local known = cjson.decode(text)
  if not known or not known.key then
    return nil, "key not found in account"
  end
  return known
end


-- A certificate and its key in DER; nil and an error.
local function read_certkey(text)
  local known = cjson.decode(text)
  if not known or not known.key or not known.cert then
    return nil, "key or cert not found in storage"
  end
  local cert, err = ngx_ssl.cert_pem_to_der(known.cert)
  local key
  if cert then
    key, err = ngx_ssl.priv_key_pem_to_der(known.key)
  end
  return key and { cert = cert, key = key }, err
end


-- What is in the storage, parsed, by way of the cache.
local function cached(kept, key, parse)
  return kong.cache:get(kong.db.acme_storage:cache_key(key), {
    l1_serializer = parse, ttl = KEPT, neg_ttl = ABSENCE_KEPT,
  }, kept.get, kept, key)
end


-- ---- the server -----------------------------------------------------------------------------

-- The directory of a server that is named with or without it.
local function directory_of(uri)
  if find(uri, "/directory$") then
    return uri
  end
  return find(uri, "/$") and uri .. "directory" or uri .. "/directory"
end


-- Nodes of a data plane learn of a challenge a while after it is there.
local function wait_for_data_planes()
  local seconds = kong.configuration.db_update_frequency * 2
  kong.log.info("Kong is running in Hybrid mode, wait for ", seconds,
                " seconds for ACME challenges to propagate")
  ngx.sleep(seconds)
  return true
end


-- A client of the server, for the account; nil and an error.
function _M.new(conf)
  local kept, err = storage.open(conf)
  if not kept then
    return nil, err
  end
  local known
  known, err = cached(kept, account.name(conf), read_account)
  if not known then
    return nil, err or "account " .. conf.account_email .. " not found in storage"
  end
  local adapter, configured = storage.module_of(conf)
  return acme.new {
    account_email = conf.account_email,
    account_key = known.key,
    api_uri = directory_of(conf.api_uri),
    storage_adapter = adapter,
    storage_config = configured,
    eab_kid = conf.eab_kid,
    eab_hmac_key = conf.eab_hmac_key,
    preferred_chain = conf.preferred_chain,
    challenge_start_callback = is_hybrid() and wait_for_data_planes or nil,
  }
end


-- Reads the directory: where Kong looks for it, or at the very address that is configured; returns an error.
local function init(client, api_uri)
  local err = client:init()
  if err and api_uri and api_uri ~= client.api_uri then
    client.api_uri = api_uri
    return client:init() and err
  end
  return err
end


-- Orders a certificate; returns it and its key as PEM, or nil, nil and an error.
local function order(client, host, key, cert_type, rsa_key_size, api_uri)
  local err = init(client, api_uri)
  if err then
    return nil, nil, err
  end
  local _
  _, err = client:new_account()
  if err then
    return nil, nil, err
  end
  if not key and cert_type == "rsa" then
    key, err = util.create_pkey(rsa_key_size, "RSA")
  elseif not key then
    key, err = util.create_pkey(nil, "EC", "prime256v1")
  end
  local cert
  if key then
    cert, err = client:order_certificate(key, host)
  end
  if not cert then
    return nil, nil, "could not create certificate for host: " .. host .. " err: " .. err
  end
  return cert, key
end


-- ---- keeping --------------------------------------------------------------------------------

local function delete_certificate(certificate, why)
  local ok, err = kong.db.certificates:delete(certificate)
  if not ok then
    kong.log.warn("error ", why, " certificate entity ", certificate.id, ": ", err)
  end
end


-- Makes a certificate the one of a name, in the database; returns an error.
local function save_dao(host, key, cert)
  local entity, err = kong.db.certificates:insert { cert = cert, key = key, tags = TAGS }
  if not entity then
    return "could not insert cert: " .. err
  end
  local before, problem = kong.db.snis:select_by_name(host)
  if problem then
    kong.log.warn("error finding sni entity: ", problem)
  end
  local _
  _, err = kong.db.snis:upsert_by_name(host, { certificate = entity, tags = TAGS })
  if err then
    delete_certificate(entity, "cleaning up")
    return "could not upsert sni: " .. err
  end
  if before and before.certificate then
    delete_certificate(before.certificate, "deleting expired")
  end
end


local function save(kept, host, key, cert)
  if is_in_storage() then
    return kept:set(CERTKEY .. host, cjson.encode { key = key, cert = cert })
  end
  return save_dao(host, key, cert)
end


-- Notes that the certificate of a name is to be renewed; returns an error.
function _M.store_renew_config(conf, host)
  local kept, err = storage.open(conf)
  if not kept then
    return err
  end
  return kept:set(RENEW .. host, cjson.encode { host = host, expire_at = ngx.time() + LIFE })
end


-- ---- getting --------------------------------------------------------------------------------

local function get_certificate(conf, kept, host, key)
  local err = account.create(conf)
  if err then
    return err
  end
  local client, cert
  client, err = _M.new(conf)
  if not client then
    return err
  end
  cert, key, err = order(client, host, key, conf.cert_type, conf.rsa_key_size, conf.api_uri)
  return err or save(kept, host, key, cert)
end


-- How long a name has to wait after a failure; nil when it has not.
local function backoff_of(kept, name, host)
  local until_when, err = kept:get(name)
  if err then
    kong.log.warn("failed to read backoff status for ", host, " : ", err)
  end
  until_when = tonumber(until_when)
  return until_when and until_when - ngx.time()
end


-- Gets a new certificate for a name. Returns whether it was tried: another worker may be at it; and an error.
function _M.update_certificate(conf, host, key)
  local kept, err = storage.open(conf)
  if not kept then
    return false, "can't create storage adapter: " .. err
  end
  local backoff, lock = "kong_acme:fail_backoff:" .. host, "kong_acme:update_lock:" .. host
  local wait = backoff_of(kept, backoff, host)
  if wait then
    return false, "please try again in " .. wait .. " seconds for host " .. host
      .. " because of previous failure; this is configurable with config.fail_backoff_minutes"
  end
  err = kept:add(lock, "placeholder", LOCK)
  if err then
    kong.log.info("update_certificate for ", host, " is already running: ", err)
    return false
  end

  err = get_certificate(conf, kept, host, key)
  if not err and is_in_storage() then
    -- the lock stays: others may still remember that there was no certificate
    return true
  elseif err then
    local seconds = conf.fail_backoff_minutes * 60
    local problem = kept:set(backoff, fmt("%d", ngx.time() + seconds), seconds)
    if problem then
      kong.log.warn("failed to set backoff for ", host, ": ", problem)
    end
  end
  local problem = kept:delete(lock)
  if problem then
    kong.log.warn("failed to delete update_certificate lock for ", host, ": ", problem)
  end
  return true, err
end


-- ---- finding --------------------------------------------------------------------------------

local function load_entity(host)
  local sni, err = kong.db.snis:select_by_name(host)
  if err then
    return nil, "can't read SNI entity"
  elseif not sni then
    kong.log.info("SNI ", host, " is not found in Kong database")
    return nil
  end
  local certificate
  certificate, err = kong.db.certificates:select(sni.certificate)
  if not certificate then
    kong.log.warn("certificate for SNI ", host, " is not found in Kong database: ", err)
    return nil
  end
  return { cert = certificate.cert, key = certificate.key }
end


-- The certificate and key of a name as PEM; nil when there is none, and an error.
function _M.load_certkey(conf, host)
  if not is_in_storage() then
    return load_entity(host)
  end
  local kept, err = storage.open(conf)
  if not kept then
    return nil, err
  end
  local text
  text, err = kept:get(CERTKEY .. host)
  return text and cjson.decode(text), err
end


-- The certificate and key of a name in the storage, in DER.
function _M.load_certkey_cached(conf, host)
  local kept, err = storage.open(conf)
  if not kept then
    return nil, err
  end
  return cached(kept, CERTKEY .. host, read_certkey)
end


-- The names whose certificates are renewed; nil and an error.
function _M.load_renew_hosts(conf)
  local kept, err = storage.open(conf)
  local keys
  if kept then
    keys, err = kept:list(RENEW)
  end
  if not keys then
    return nil, err
  end
  local hosts = {}
  for i, key in ipairs(keys) do
    hosts[i] = sub(key, #RENEW + 1)
  end
  return hosts
end


-- ---- renewing -------------------------------------------------------------------------------

-- Whether a certificate ends within so many seconds.
local function ends_within(cert, seconds)
  local parsed, err = x509.new(cert)
  if not parsed then
    kong.log.info("can't parse cert stored in storage: ", err)
    return true
  end
  return parsed:get_not_after() - seconds <= ngx.time()
end


local function renew_one(conf, kept, key)
  local text, err = kept:get(key)
  local noted = text and cjson.decode(text)
  if not noted then
    kong.log.err("can't read renew conf ", key, ": ", err)
    return
  end
  local host, seconds = noted.host, DAY * conf.renew_threshold_days
  if noted.expire_at - seconds > ngx.time() then
    kong.log.info("certificate for host ", host, " is not due for renewal")
    return
  end
  local certkey
  certkey, err = _M.load_certkey(conf, host)
  if err then
    kong.log.err("error loading existing certkey for host: ", host, ": ", err)
  elseif not certkey then
    kong.log.warn("deleting renewal config for host: ", host)
    err = kept:delete(key)
    if err then
      kong.log.warn("error deleting unneeded renew config key \"", key, "\"")
    end
  elseif not ends_within(certkey.cert, seconds) then
    kong.log.info("certificate for ", host, " is not due for renewal")
  else
    kong.log.info("renew certificate for host ", host)
    local _
    _, err = _M.update_certificate(conf, host, certkey.key)
    err = err or _M.store_renew_config(conf, host)
    if err then
      kong.log.err("failed to renew certificate: ", err)
    end
  end
end


local function renew_certificate_storage(conf)
  local kept, err = storage.open(conf)
  local keys
  if kept then
    keys, err = kept:list(RENEW)
  end
  if not keys then
    kong.log.err("can't list renew hosts: ", err)
    return
  end
  err = kept:set(LAST_RUN, ngx.localtime())
  if err then
    kong.log.warn("can't set renew_last_run: ", err)
  end
  for _, key in ipairs(keys) do
    renew_one(conf, kept, key)
  end
end


-- Renews what is about to end.
function _M.renew_certificate(conf)
  kong.log.info("renew storage configured in acme plugin: ", conf.__plugin_id)
  renew_certificate_storage(conf)
end


-- Keeps a key for the account, if there is none yet; returns an error.
function _M.create_account(conf)
  return account.create(conf)
end


-- For specs.
_M._account_name = account.name
_M._create_account = account.create
_M._order = order
_M._save_dao = save_dao
_M._check_expire = ends_within
_M._renew_certificate_storage = renew_certificate_storage
_M._renew_key_prefix = RENEW
_M._certkey_key_prefix = CERTKEY

function _M._set_is_dbless(value)
  is_dbless = value
end


return _M
