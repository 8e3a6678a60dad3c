-- The account at the server: its private key is in the storage.

local cjson = require "cjson.safe"
local storage = require "kong.plugins.acme.storage"
local util = require "resty.acme.util"

local kong = kong
local encode_base64 = ngx.encode_base64

local KEY_BITS = 4096

local _M = {}


-- The key under which an account is kept.
function _M.name(conf)
  return "kong_acme:account:" .. conf.api_uri .. ":" .. encode_base64(conf.account_email)
end


-- The private key that the configuration names; nil and an error.
local function configured_key(named)
  local wanted = { kid = named.key_id }
  if named.key_set then
    local set, err = kong.db.key_sets:select_by_name(named.key_set)
    if not set then
      return nil, "could not load keyset: " .. (err or named.key_set .. " is not there")
    end
    wanted.set = { id = set.id }
  end
  local key, err = kong.db.keys:select_by_cache_key(kong.db.keys:cache_key(wanted))
  if not key then
    return nil, "could not load keys: " .. (err or named.key_id .. " is not there")
  end
  return kong.db.keys:get_privkey(key)
end


-- Keeps a key for the account, if there is none yet; returns an error.
function _M.create(conf)
  local kept, err = storage.open(conf)
  if not kept then
    return err
  end
  local name = _M.name(conf)
  local known, problem = kept:get(name)
  if problem or known then
    return problem
  end
  local key
  if conf.account_key then
    key, err = configured_key(conf.account_key)
  else
    key, err = util.create_pkey(KEY_BITS, "RSA")
  end
  if not key then
    return err
  end
  return kept:set(name, cjson.encode { key = key })
end


return _M
