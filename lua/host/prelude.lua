-- The coroutine functions that let host calls wait inside user coroutines, and the global `ngx`.
local ngx, _, SENTINEL = ...

local error, type = error, type
local getinfo = debug.getinfo
local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local thread_status = ngx.thread._status
ngx.thread._status = nil

-- A wait of the inner coroutine becomes a wait of the outer one, up to the driver. What the driver
-- resumes with lies on the outer stack and is handed in again.
local pass_wait
function pass_wait(thread, ok, ...)
  if ok and (...) == SENTINEL then
    return pass_wait(thread, resume(thread, yield(SENTINEL)))
  end
  return ok, ...
end

function coroutine.resume(thread, ...)
  return pass_wait(thread, resume(thread, ...))
end

-- nginx's coroutines run Lua functions only.
local function check_body(name, body)
  if type(body) ~= "function" or getinfo(body, "S").what == "C" then
    error("bad argument #1 to '" .. name .. "' (Lua function expected)", 3)
  end
end

function coroutine.create(body)
  check_body("create", body)
  return create(body)
end

local function results(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

function coroutine.wrap(body)
  check_body("wrap", body)
  local thread = create(body)
  return function(...)
    return results(pass_wait(thread, resume(thread, ...)))
  end
end

function coroutine.status(thread)
  return thread_status(thread) or status(thread)
end

_G.ngx = ngx
package.loaded.ngx = ngx

-- Libraries for plugins declare functions of OpenSSL's and find them in `ffi.C`, since nginx is linked with
-- it. Here it is loaded when a declaration first names such a function.
local ffi = require "ffi"
local cdef, find, ipairs, pcall = ffi.cdef, string.find, ipairs, pcall
local OPENSSL = { "ASN1_", "BIO_", "BN_", "CRYPTO_", "EVP_", "HMAC_", "OPENSSL_", "PEM_", "RAND_", "RSA_",
                  "X509_" }
local is_loaded = false

local function names_openssl(declarations)
  for _, prefix in ipairs(OPENSSL) do
    if find(declarations, prefix, 1, true) then
      return true
    end
  end
end

function ffi.cdef(declarations, ...)
  if not is_loaded and type(declarations) == "string" and names_openssl(declarations) then
    is_loaded = true
    -- where it is not installed, the use of the function fails as it would anyway
    pcall(ffi.load, "libcrypto.so.3", true)
    pcall(ffi.load, "libssl.so.3", true)
  end
  return cdef(declarations, ...)
end
