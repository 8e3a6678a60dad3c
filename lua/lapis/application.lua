--- What handlers of the Admin API take from Lapis: leaving the handler with an error.

local error, getmetatable, pcall, setmetatable, type = error, getmetatable, pcall, setmetatable, type

local _M = {}

local yielded = {}


--- Leaves the handler; `on_error` of its endpoint finds the error in `self.errors`.
function _M.yield_error(err)
  error(setmetatable({ err }, yielded), 0)
end


--- The value, unless it is none: then the handler is left with the error.
function _M.assert_error(value, err, ...)
  if not value then
    return _M.yield_error(err or "unknown error")
  end
  return value, err, ...
end


--- Makes a handler that hands what `yield_error` was given to `on_error`.
function _M.capture_errors(handler, on_error)
  if type(handler) == "table" then
    handler, on_error = handler[1], handler.on_error or on_error
  end
  return function(self, ...)
    local ok, result = pcall(handler, self, ...)
    if ok then
      return result
    elseif getmetatable(result) ~= yielded then
      return error(result, 0)
    end
    self.errors = result
    return on_error(self)
  end
end


return _M
