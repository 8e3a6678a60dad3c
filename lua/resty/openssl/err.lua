-- resty.openssl.err: errors are told by the functions that met them; none wait here to be read.
local _M = {}

function _M.format_error(context)
  return context and context .. " failed" or "failed"
end

function _M.format_all_error(context)
  return _M.format_error(context)
end

function _M.get_last_error_code()
  return 0
end

function _M.get_lib_error_string()
  return nil, "no error"
end

return _M
