-- resty.openssl.digest: a digest made piece by piece.
local native = require "resty.openssl.native"

local concat = table.concat
local getmetatable, select, setmetatable, type = getmetatable, select, setmetatable, type

local _M = {}
local mt = { __index = _M }

function _M.new(algorithm)
  algorithm = algorithm or "sha1"
  local ok, err = native.digest(algorithm, "")
  if not ok then
    return nil, "digest.new: " .. err
  end
  return setmetatable({ algorithm = algorithm, pieces = {}, size = #ok }, mt)
end

function _M.istype(object)
  return getmetatable(object) == mt
end

function _M:update(...)
  for i = 1, select("#", ...) do
    local piece = select(i, ...)
    if type(piece) ~= "string" then
      return false, "digest:update: expect a string at #" .. i
    end
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
