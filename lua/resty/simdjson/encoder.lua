-- resty.simdjson.encoder: Lua to JSON.

local cjson = require "cjson.safe"

local ngx = ngx
local setmetatable = setmetatable

-- Bytes from which on a document is large.
local LARGE = 2048

local _M = {}
local mt = { __index = _M }


function _M.new(yieldable)
  local json = cjson.new()
  json.encode_escape_forward_slash(false)
  return setmetatable({ yieldable = yieldable and true or false, json = json }, mt)
end


-- The text of a value; nil and why not.
function _M:process(value)
  local text, err = self.json.encode(value)
  if not text then
    return nil, err
  end
  if self.yieldable and #text > LARGE then
    ngx.sleep(0)
  end
  return text
end


function _M:encode_number_precision(digits)
  return self.json.encode_number_precision(digits)
end


function _M:encode_sparse_array(...)
  return self.json.encode_sparse_array(...)
end


return _M
