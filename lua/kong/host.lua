-- The request as the host keeps it: the hot functions of the PDK, over LuaJIT's FFI so that they
-- compile into traces, or over the C API where the JIT is off (it is faster then).

local native = require "kong.native"

if not native.hot then
  return native
end

local ffi = require "ffi"

ffi.cdef [[
  typedef struct { const char *data; size_t len; } kong_text;
  typedef struct {
    const int32_t *(*phase)(void);
    int (*log_level)(void);
    int (*request_id)(kong_text *out);
    int (*method)(kong_text *out);
    int (*request_header)(const char *name, size_t len, kong_text *out);
    int (*query_arg)(const char *name, size_t len, kong_text *out);
    void (*set_request_header)(const char *name, size_t name_len, const char *value, size_t value_len);
    void (*clear_request_header)(const char *name, size_t len);
    int (*response_header)(const char *name, size_t len, kong_text *out);
    int (*response_sent)(void);
    uint64_t (*cache_sequence)(void);
    double (*now)(void);
  } kong_hot;
]]

local hot = ffi.cast("const kong_hot *", native.hot)
local out = ffi.new("kong_text[1]")
local text, tonumber = ffi.string, tonumber

local _M = setmetatable({}, { __index = native })

-- A tail call of a built-in function would keep its caller from being compiled by itself: hence the
-- parentheses here and below.
local function taken()
  return (text(out[0].data, out[0].len))
end

-- The host writes the phase to a place of this thread before it calls: reading it needs no call.
local phase = hot.phase()

function _M.phase()
  return phase[0]
end

function _M.log_level()
  return hot.log_level()
end

function _M.request_id()
  if hot.request_id(out) ~= 0 then
    return taken()
  end
end

function _M.method()
  if hot.method(out) ~= 0 then
    return taken()
  end
end

-- The first value of a request header and how many lines there are.
function _M.request_header(name)
  local lines = hot.request_header(name, #name, out)
  if lines ~= 0 then
    return taken(), lines
  end
end

-- The first value of a query argument, `true` where it has no "=", and how often it is there.
function _M.query_arg(name)
  local found = hot.query_arg(name, #name, out)
  if found > 0 then
    return taken(), found
  elseif found < 0 then
    return true, -found
  end
end

function _M.set_request_header(name, value)
  hot.set_request_header(name, #name, value, #value)
end

function _M.clear_request_header(name)
  hot.clear_request_header(name, #name)
end

-- The first value of a response header and how many lines there are.
function _M.response_header(name)
  local lines = hot.response_header(name, #name, out)
  if lines ~= 0 then
    return taken(), lines
  end
end

function _M.response_sent()
  return hot.response_sent() ~= 0
end

function _M.cache_sequence()
  return (tonumber(hot.cache_sequence()))
end

-- Seconds since the epoch, for ages and expiry.
function _M.now()
  return hot.now()
end

return _M
