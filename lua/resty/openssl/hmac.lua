-- resty.openssl.hmac: an HMAC made piece by piece.
local native = require "resty.openssl.native"
local concat = table.concat
local getmetatable, select, setmetatable = getmetatable, select, setmetatable

local _M = {}
local mt = { __index = _M }

function _M.new(key, algorithm)
  algorithm = algorithm or "sha1"
  local ok, err = native.hmac(algorithm, key, "")
  if not ok then
    return nil, "hmac.new: " .. err
  end
  return setmetatable({ algorithm = algorithm, key = key, pieces = {} }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:update(...)
  for i = 1, select("#", ...) do
    local piece = select(i, ...)
    self.pieces[#self.pieces + 1] = piece
  end
  return true
end

function _M:final(last)
  return native.hmac(self.algorithm, self.key, concat(self.pieces) .. (last or ""))
end

function _M:reset()
  self.pieces = {}
  return true
end

return _M
