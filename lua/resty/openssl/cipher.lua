-- resty.openssl.cipher: texts encrypted and decrypted with a key.
local native = require "resty.openssl.native"

local getmetatable, select, setmetatable, type = getmetatable, select, setmetatable, type
local concat = table.concat

local _M = {}
local mt = { __index = _M }


function _M.new(name)
  if not name then
    return nil, "cipher.new: expect type to be defined"
  end
  local ctx, key, iv, block, aead = native.cipher(name)
  if not ctx then
    return nil, key
  end
  return setmetatable({
    ctx = ctx, algo = name, key_size = key, iv_size = iv, block_size = block, _is_aead = aead,
  }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end


function _M:init(key, iv, opts)
  opts = opts or {}
  if not key or #key ~= self.key_size then
    return false, "cipher:init: incorrect key size, expect " .. self.key_size
  end
  iv = iv or ""
  if #iv ~= self.iv_size and not self._is_aead then
    return false, "cipher:init: incorrect iv size, expect " .. self.iv_size
  end
  local ok, err = native.cipher_init(self.ctx, opts.is_encrypt or false, key, iv, opts.no_padding or false)
  if not ok then
    return false, err
  end
  self.initialized = true
  return true
end


function _M:encrypt(key, iv, text, no_padding, aad)
  local ok, err = self:init(key, iv, { is_encrypt = true, no_padding = no_padding })
  if not ok then
    return nil, err
  end
  if self._is_aead and aad then
    ok, err = self:update_aead_aad(aad)
    if not ok then
      return nil, err
    end
  end
  return self:final(text)
end


function _M:decrypt(key, iv, text, no_padding, aad, tag)
  local ok, err = self:init(key, iv, { is_encrypt = false, no_padding = no_padding })
  if not ok then
    return nil, err
  end
  if self._is_aead then
    if aad then
      ok, err = self:update_aead_aad(aad)
      if not ok then
        return nil, err
      end
    end
    if tag then
      ok, err = self:set_aead_tag(tag)
      if not ok then
        return nil, err
      end
    end
  end
  return self:final(text)
end


function _M:update(...)
  if not self.initialized then
    return nil, "cipher:update: cipher not initalized, call cipher:init first"
  end
  local pieces = {}
  for i = 1, select("#", ...) do
    local text = select(i, ...)
    if type(text) ~= "string" then
      return nil, "cipher:update: expect a string at #" .. i
    end
    local piece, err = native.cipher_update(self.ctx, text)
    if not piece then
      return nil, err
    end
    pieces[i] = piece
  end
  return concat(pieces)
end


function _M:update_aead_aad(aad)
  if not self.initialized then
    return nil, "cipher:update_aead_aad: cipher not initalized, call cipher:init first"
  end
  if not self._is_aead then
    return nil, "cipher:update_aead_aad: tag is only supported for AEAD cipher"
  end
  return native.cipher_aad(self.ctx, aad)
end


function _M:get_aead_tag(size)
  if not self._is_aead then
    return nil, "cipher:get_aead_tag: tag is only supported for AEAD cipher"
  end
  return native.cipher_tag(self.ctx, size or self.key_size / 2)
end


function _M:set_aead_tag(tag)
  if not self._is_aead then
    return nil, "cipher:set_aead_tag: tag is only supported for AEAD cipher"
  end
  return native.cipher_set_tag(self.ctx, tag)
end


function _M:final(text)
  local before = ""
  if text then
    local err
    before, err = self:update(text)
    if not before then
      return nil, err
    end
  elseif not self.initialized then
    return nil, "cipher:update: cipher not initalized, call cipher:init first"
  end
  local last, err = native.cipher_final(self.ctx)
  if not last then
    return nil, err
  end
  return before .. last
end


function _M:derive(password, salt, count, digest)
  if type(password) ~= "string" then
    return nil, nil, "cipher:derive: expect a string at #1"
  end
  count = count or 1
  local key, iv = native.cipher_key(self.ctx, password, count, salt, digest or "sha1")
  if not key then
    return nil, nil, iv
  end
  return key, iv
end


return _M
