-- resty.core.base: what other libraries take from it.
local ffi = require "ffi"

local clear_tab, new_tab = require "table.clear", require "table.new"

local ngx = ngx
local error, pcall, select, type = error, pcall, select, type

local DEFAULT_SIZE = 4096

local _M = {
  version = "0.1.28",
  FFI_OK = 0,
  FFI_ERROR = -1,
  FFI_AGAIN = -2,
  FFI_BUSY = -3,
  FFI_DONE = -4,
  FFI_DECLINED = -5,
  FFI_ABORT = -6,
  FFI_NO_REQ_CTX = -100,
  FFI_BAD_CONTEXT = -101,
  new_tab = new_tab,
  clear_tab = clear_tab,
}

local char_array = ffi.typeof("char[?]")
local size = DEFAULT_SIZE
local buffer, length, message


-- A buffer that its users share: good until the next one asks for it.
function _M.get_string_buf(wanted, must_alloc)
  if wanted > size or must_alloc then
    return ffi.new(char_array, wanted)
  end
  if not buffer then
    buffer = ffi.new(char_array, size)
  end
  return buffer
end

function _M.get_string_buf_size()
  return size
end

function _M.set_string_buf_size(new)
  if new <= 0 then
    return
  end
  buffer = nil
  size = new
end

function _M.get_size_ptr()
  if not length then
    length = ffi.new("size_t[1]")
  end
  return length
end

function _M.get_errmsg_ptr()
  if not message then
    message = ffi.new("unsigned char *[1]")
  end
  return message
end


-- Keeps a value in a table of references and answers its key there; nil for none.
function _M.ref_in_table(references, value)
  if value == nil then
    return nil
  end
  local free = references[0]
  if free and free ~= 0 then
    references[0] = references[free]
  else
    free = #references + 1
  end
  references[free] = value
  return free
end


local function read_uri()
  return ngx.var.uri
end

-- Truthy while a request is being served.
function _M.get_request()
  return pcall(read_uri) or nil
end


function _M.allows_subsystem(...)
  local subsystem = ngx.config.subsystem
  for i = 1, select("#", ...) do
    if select(i, ...) == subsystem then
      return
    end
  end
  error("unsupported subsystem: " .. subsystem, 2)
end

function _M.check_subsystem(...)
  for i = 1, select("#", ...) do
    if type(select(i, ...)) ~= "string" then
      error("strings expected", 2)
    end
  end
  return _M.allows_subsystem(...)
end


return _M
