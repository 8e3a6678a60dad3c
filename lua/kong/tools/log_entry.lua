-- The entry that log plugins write for a request.

local sandbox = require("kong.tools.sandbox").sandbox

local kong, ngx = kong, ngx
local pairs = pairs

local OPTIONS = { env = { kong = kong, ngx = ngx } }

local _M = {}


-- Sets the fields that `custom_fields_by_lua` has code for.
function _M.add_custom_fields(conf)
  for name, code in pairs(conf.custom_fields_by_lua or {}) do
    kong.log.set_serialize_value(name, sandbox(code, OPTIONS)())
  end
end


-- The entry as a table, custom fields included.
function _M.of(conf)
  _M.add_custom_fields(conf)
  return kong.log.serialize()
end


return _M
