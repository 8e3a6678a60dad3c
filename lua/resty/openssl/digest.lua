-- resty.openssl.digest: a digest made piece by piece.
local native = require "resty.openssl.native"
local concat = table.concat
local ipairs, setmetatable = ipairs, setmetatable

local _M = {}
local mt = { __index = _M }

function _M.new(algorithm)
  algorithm = algorithm or "sha1"
  local ok, err = native.digest(algorithm, "")
  if not ok then
    return nil, "digest.new: " .. err
  end
  return setmetatable({ algorithm = algorithm, pieces = {} }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:update(...)
  for _, piece in ipairs { ... } do
    self.pieces[#self.pieces + 1] = piece
  end
  return true
end

-- What was digested so far: signing needs it whole.
function _M:text()
  return concat(self.pieces)
end

function _M:final(last)
  return native.digest(self.algorithm, concat(self.pieces) .. (last or ""))
end

function _M:reset()
  self.pieces = {}
  return true
end

return _M
