--- Certificates by server name, for plugins that ask which one a client would get.

local ssl = require "ngx.ssl"

local null = ngx.null
local concat, find, fmt, gsub, ipairs, match, pairs, sort, tostring =
  table.concat, string.find, string.format, string.gsub, ipairs, string.match, pairs, table.sort, tostring

local ANY = "*"

local _M = {}


-- The wildcard names that cover a name: for its first and for its last label.
local function wildcards(name)
  if name:sub(1, 1) == ANY or name:sub(-1) == ANY then
    return {}
  end
  local names = {}
  local suffix = match(name, "^[^.]+(%..+%..+)$")
  if suffix then
    names[1] = ANY .. suffix
  end
  if find(name, ".", 1, true) then
    names[#names + 1] = gsub(name, "([^.]+)$", ANY)
  end
  return names
end

_M.produce_wild_snis = function(name)
  local names = wildcards(name)
  return names[1], names[2]
end


-- A certificate entity with its texts parsed.
local function parsed(certificate)
  local result = {}
  for cert, key in pairs { cert = "key", cert_alt = "key_alt" } do
    local cert_text, key_text = certificate[cert], certificate[key]
    if cert_text and cert_text ~= null then
      local chain, err = ssl.parse_pem_cert(cert_text)
      if not chain then
        return nil, "could not parse PEM certificate: " .. err
      end
      local private
      private, err = ssl.parse_pem_priv_key(key_text)
      if not private then
        return nil, "could not parse PEM private key: " .. err
      end
      result[cert], result[key] = chain, private
    end
  end
  return result
end


--- The certificate entity of a foreign key, parsed.
function _M.get_certificate(key, name)
  local certificate, err = kong.db.certificates:select(key)
  if err then
    return nil, err
  elseif not certificate then
    return nil, fmt("no SSL certificate configured for sni: %s", tostring(name))
  end
  return parsed(certificate)
end


-- The certificate of clients whose name no SNI covers: parsed once, so that it stays the same table.
local default


local function default_certificate()
  if default then
    return default
  end
  local files = kong.configuration
  local cert = files.ssl_cert and files.ssl_cert[1] or files.ssl_cert_default
  local key = files.ssl_cert_key and files.ssl_cert_key[1] or files.ssl_cert_key_default
  local texts = {}
  for name, path in pairs { cert = cert, key = key } do
    local file = io.open(path)
    texts[name] = file and file:read("*a")
    if file then
      file:close()
    end
  end
  default = texts.cert and texts.key and parsed(texts) or {}
  return default
end


--- The certificate that a client gets which asks for a name, as `{ cert = …, key = … }`.
function _M.find_certificate(name)
  local names = name and { name, unpack(wildcards(name)) } or {}
  if name then
    names[#names + 1] = ANY
  end
  for _, candidate in ipairs(names) do
    local sni, err = kong.db.snis:select_by_name(candidate)
    if sni then
      return _M.get_certificate(sni.certificate, sni.name)
    elseif err then
      kong.log.debug("invalid SNI '", candidate, "', ", err, ", serving default SSL certificate")
    end
  end
  return default_certificate()
end


--- The key by which caches know a set of CA certificates.
function _M.ca_ids_cache_key(ids)
  sort(ids)
  return "ca_stores:" .. ngx.md5(concat(ids, ":"))
end


return _M
