--- Keys by their `kid` and set, and the key pairs in them.

local pkey = require "resty.openssl.pkey"

local fmt, tostring, type = string.format, tostring, type

local ERR_PART = "part needs to be public or private"
local ERR_PUBLIC_ONLY = "could not load a private key from public key material"

local _M = {}


--- The key in caches; `kid` and set are unique over all workspaces.
function _M:cache_key(key)
  local set = type(key.set) == "table" and key.set.id or ""
  return fmt("keys:%s:%s", tostring(key.kid), set)
end


-- The key pair of an entity, and the format it is in.
local function load(entity, part)
  if entity.jwk then
    local pair, err = pkey.new(entity.jwk, { format = "JWK" })
    return pair, err, "JWK"
  end
  local text = (entity.pem or {})[part .. "_key"]
  if not text and part == "private" then
    return nil, ERR_PUBLIC_ONLY
  end
  local pair, err = pkey.new(text, { format = "PEM" })
  return pair, err, "PEM"
end


local function text_of(entity, part)
  if part ~= "public" and part ~= "private" then
    return nil, ERR_PART
  end
  local pair, err, format = load(entity, part)
  if err == ERR_PUBLIC_ONLY then
    return nil, err
  elseif not pair then
    return nil, "could not load pkey. " .. tostring(err)
  elseif part == "private" and not pair:is_private() then
    return nil, ERR_PUBLIC_ONLY
  end
  return pair:tostring(part, format)
end


function _M:get_pubkey(key)
  return text_of(key, "public")
end


function _M:get_privkey(key)
  return text_of(key, "private")
end


return _M
