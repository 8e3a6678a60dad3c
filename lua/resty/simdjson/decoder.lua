-- resty.simdjson.decoder: JSON to Lua.

local cjson = require("cjson.safe").new()

local ngx = ngx
local error, setmetatable, type = error, setmetatable, type

-- Bytes from which on a document is large.
local LARGE = 2048

cjson.decode_array_with_array_mt(true)

local _M = {}
local mt = { __index = _M }


function _M.new(yieldable)
  return setmetatable({ yieldable = yieldable and true or false, destroyed = false }, mt)
end


-- The value of a text; nil and why not.
function _M:process(text)
  if type(text) ~= "string" then
    error("Expect string, got " .. type(text), 2)
  elseif self.destroyed then
    error("Already destroyed", 2)
  end
  local value, err = cjson.decode(text)
  if value == nil then
    return nil, "simdjson: error: " .. err
  end
  if self.yieldable and #text > LARGE then
    ngx.sleep(0)
  end
  return value
end


function _M:destroy()
  if self.destroyed then
    error("Already destroyed", 2)
  end
  self.destroyed = true
end


return _M
