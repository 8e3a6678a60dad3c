-- Single headers and arguments, as tables of all of them would give them, without making the table.

local host = require "kong.host"

local _M = {}


-- Like `kong.request.get_headers()[name]`: a string, a list where there are several lines, or nil.
function _M.header(name)
  local value, lines = host.request_header(name)
  if lines and lines > 1 then
    return host.request_header_values(name)
  end
  return value
end


-- Like `kong.request.get_query()[name]`: a string, true for an argument without "=", a list where
-- it is given more than once, or nil.
function _M.query_arg(name)
  local value, count = host.query_arg(name)
  if count and count > 1 then
    return kong.request.get_query()[name]
  end
  return value
end


return _M
