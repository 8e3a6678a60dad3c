-- Rate-limiting headers: collected during access in the request's context, written in one go.

local error, pairs, tostring, type = error, pairs, tostring, type

local CONTEXT = "__rate_limiting_context__"

local _M = {}


local function check(value, position, name, func, wanted, also)
  local kind = type(value)
  if kind ~= "string" and kind ~= also then
    error(("arg #%d `%s` for function `%s` must be %s, got %s"):format(position, name, func, wanted, kind), 3)
  end
end


-- Remembers a header of this request.
function _M.store_response_header(ctx, key, value)
  check(key, 2, "key", "store_response_header", "a string")
  check(value, 3, "value", "store_response_header", "a string or a number", "number")
  local headers = ctx[CONTEXT]
  if not headers then
    headers = {}
    ctx[CONTEXT] = headers
  end
  headers[key] = value
end


-- A header remembered before.
function _M.get_stored_response_header(ctx, key)
  check(key, 2, "key", "get_stored_response_header", "a string")
  local headers = ctx[CONTEXT]
  return headers and headers[key]
end


-- Writes what was remembered to the response.
function _M.apply_response_headers(ctx)
  for name, value in pairs(ctx[CONTEXT] or {}) do
    ngx.header[name] = tostring(value)
  end
end


return _M
