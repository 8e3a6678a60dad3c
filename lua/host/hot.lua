-- The hot functions of `ngx` over LuaJIT's FFI, so that they compile into traces.
--
-- Where the host answers ELSEWHERE the function of the C API is asked, which knows the error's words.
local ffi = require "ffi"

local text = ffi.string
local error, getmetatable, next, pairs, type = error, getmetatable, next, pairs, type

local NOTHING, BOOLEAN, NUMBER, TEXT = 0, 1, 2, 3

ffi.cdef [[
  typedef struct { double number; const char *data; size_t len; int32_t flags; } kong_ngx_found;
  typedef struct {
    double (*now)(void);
    int (*var)(const char *name, size_t len, kong_ngx_found *out);
    int (*shared_get)(const void *dict, const char *key, size_t len, kong_ngx_found *out);
    int (*shared_incr)(const void *dict, const char *key, size_t len, double by, kong_ngx_found *out);
    int (*set_header)(const char *name, size_t name_len, const char *value, size_t value_len);
  } kong_ngx_hot;
]]

local found = ffi.new("kong_ngx_found[1]")

local _M = {}

function _M.now(hot)
  return function()
    return hot.now()
  end
end

function _M.time(hot)
  local floor = math.floor
  return function()
    return (floor(hot.now()))
  end
end

function _M.var(hot, slow)
  return function(name)
    if type(name) ~= "string" then
      return slow(name)
    end
    local kind = hot.var(name, #name, found)
    if kind == TEXT then
      return (text(found[0].data, found[0].len))
    elseif kind == NOTHING then
      return nil
    end
    return slow(name)
  end
end

-- Writing to `ngx.header`: a text for a name; the rest is left to the C API.
function _M.set_header(hot, slow)
  return function(name, value)
    if type(name) ~= "string" or type(value) ~= "string"
       or hot.set_header(name, #name, value, #value) ~= TEXT then
      slow(name, value)
    end
  end
end

-- Whether these are what a number that is not there may begin with. It is made by the C API.
local function may_begin(init, ttl)
  if init == nil then
    return ttl == nil
  end
  return type(init) == "number" and (ttl == nil or type(ttl) == "number" and ttl >= 0)
end

-- Replaces `get` and `incr` of all shared dictionaries; their second item is the host's pointer. Only
-- tables that the host made are followed: any other would be read as memory.
function _M.shared(hot, dicts)
  local _, any = next(dicts)
  if not any then
    return
  end
  local pointers = {}
  for _, dict in pairs(dicts) do
    pointers[dict] = ffi.cast("const void *", dict[2])
    dict[2] = nil
  end
  local methods = getmetatable(any).__index
  local slow_get, slow_incr = methods.get, methods.incr

  function methods.get(dict, key)
    local pointer = dict ~= nil and pointers[dict]
    if not pointer then
      error('bad "zone" argument', 2)
    end
    if type(key) ~= "string" then
      return slow_get(dict, key)
    end
    local kind = hot.shared_get(pointer, key, #key, found)
    if kind == NOTHING then
      return nil
    end
    local value
    if kind == TEXT then
      value = text(found[0].data, found[0].len)
    elseif kind == NUMBER then
      value = found[0].number
    elseif kind == BOOLEAN then
      value = found[0].number ~= 0
    else
      return slow_get(dict, key)
    end
    local flags = found[0].flags
    if flags == 0 then
      return value
    end
    return value, flags
  end

  function methods.incr(dict, key, by, init, ttl)
    local pointer = dict ~= nil and pointers[dict]
    if not pointer then
      error('bad "zone" argument', 2)
    end
    if type(key) == "string" and type(by) == "number" and may_begin(init, ttl)
       and hot.shared_incr(pointer, key, #key, by, found) == NUMBER then
      if init == nil then
        return found[0].number
      end
      return found[0].number, nil, false
    end
    return slow_incr(dict, key, by, init, ttl)
  end
end

return function(address)
  local hot = ffi.cast("const kong_ngx_hot *", address)
  local bound = {}
  for name, make in pairs(_M) do
    bound[name] = function(...) return make(hot, ...) end
  end
  return bound
end
