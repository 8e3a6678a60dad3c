-- file-log: writes each request as a line of JSON to a file.

local cjson = require "cjson"
local kong_meta = require "kong.meta"
local native = require "kong.native"
local sandbox = require("kong.tools.sandbox").sandbox

local kong, ngx = kong, ngx
local pairs = pairs

local SANDBOX_OPTIONS = { env = { kong = kong, ngx = ngx } }

local FileLog = {
  VERSION = kong_meta.version,
  PRIORITY = 9,
}


function FileLog:log(conf)
  for key, expression in pairs(conf.custom_fields_by_lua or {}) do
    kong.log.set_serialize_value(key, sandbox(expression, SANDBOX_OPTIONS)())
  end

  local line = cjson.encode(kong.log.serialize()) .. "\n"
  local written, err = native.append_to_file(conf.path, line, conf.reopen)
  if not written then
    kong.log.err("failed to open the file: ", err)
  end
end


return FileLog
