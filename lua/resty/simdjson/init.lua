-- resty.simdjson: JSON for large documents, which gives others a turn.
--
-- cjson of this gateway takes any document in one go; others get their turn behind a large one.

local decoder = require "resty.simdjson.decoder"
local encoder = require "resty.simdjson.encoder"

local setmetatable = setmetatable

local _M = {}
local mt = { __index = _M }


-- An encoder and decoder. `yieldable` lets it give others a turn.
function _M.new(yieldable)
  return setmetatable({ encoder = encoder.new(yieldable), decoder = decoder.new(yieldable) }, mt)
end


function _M:decode(text)
  return self.decoder:process(text)
end


function _M:encode(value)
  return self.encoder:process(value)
end


function _M:encode_number_precision(digits)
  return self.encoder:encode_number_precision(digits)
end


function _M:encode_sparse_array(...)
  return self.encoder:encode_sparse_array(...)
end


-- Nothing is held that would have to be given back.
function _M:destroy()
  self.decoder:destroy()
end


return _M
