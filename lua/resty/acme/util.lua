-- resty.acme.util: keys, requests for certificates, and the encodings of ACME.
local cjson = require "cjson.safe"
local altname = require "resty.openssl.x509.altname"
local csr = require "resty.openssl.x509.csr"
local digest = require "resty.openssl.digest"
local name = require "resty.openssl.x509.name"
local pkey = require "resty.openssl.pkey"

local encode_base64 = ngx.encode_base64
local find, fmt, gsub, ipairs, match = string.find, string.format, string.gsub, ipairs, string.match

local DEFAULT_BITS = 4096
local URL_SAFE = { ["+"] = "-", ["/"] = "_", ["="] = "" }

local _M = {}


-- Base64 for URLs, without padding (RFC 7515, 2).
function _M.encode_base64url(text)
  return (gsub(encode_base64(text), "[+/=]", URL_SAFE))
end


-- A new private key, as PEM: of RSA with so many bits, or on a curve.
function _M.create_pkey(bits, kind, curve)
  local key, err = pkey.new { type = kind or "RSA", bits = bits or DEFAULT_BITS, curve = curve }
  if not key then
    return nil, err
  end
  return key:to_PEM("private")
end


-- The public parts of a key as RFC 7638 wants them, in order, and as a table.
local function public_parts(key)
  local parts = cjson.decode(key:tostring("public", "JWK"))
  local form = parts.kty == "EC" and '{"crv":"%s","kty":"EC","x":"%s","y":"%s"}'
    or '{"e":"%s","kty":"RSA","n":"%s"}'
  if parts.kty == "EC" then
    return fmt(form, parts.crv, parts.x, parts.y),
           { crv = parts.crv, kty = "EC", x = parts.x, y = parts.y }
  end
  return fmt(form, parts.e, parts.n), { e = parts.e, kty = "RSA", n = parts.n }
end


-- The public key as a JWK, and its thumbprint (RFC 7638).
function _M.jwk(key)
  local text, parts = public_parts(key)
  local hash = digest.new "sha256"
  return parts, _M.encode_base64url(hash:final(text))
end


-- A request for a certificate for names or addresses, as DER; nil and an error.
function _M.create_csr(key, ...)
  local request, subject, names = csr.new(), name.new(), altname.new()
  local hosts = { ... }
  local _, err = subject:add("CN", hosts[1])
  if err then
    return nil, err
  end
  for _, host in ipairs(hosts) do
    local is_address = match(host, "^%d+%.%d+%.%d+%.%d+$") or find(host, ":", 1, true)
    _, err = names:add(is_address and "IP" or "DNS", host)
    if err then
      return nil, err
    end
  end
  for _, step in ipairs {
    { "set_version", 1 }, { "set_subject_name", subject }, { "set_subject_alt_name", names },
    { "set_pubkey", key }, { "sign", key },
  } do
    local ok
    ok, err = request[step[1]](request, step[2])
    if not ok then
      return nil, step[1] .. ": " .. (err or "failed")
    end
  end
  return request:tostring("DER")
end


return _M
