-- file-log: writes each request as a line of JSON to a file.

local cjson = require "cjson"
local kong_meta = require "kong.meta"
local log_entry = require "kong.tools.log_entry"
local native = require "kong.native"

local kong = kong

local FileLog = {
  VERSION = kong_meta.version,
  PRIORITY = 9,
}


function FileLog:log(conf)
  local line = cjson.encode(log_entry.of(conf)) .. "\n"
  local written, err = native.append_to_file(conf.path, line, conf.reopen)
  if not written then
    kong.log.err("failed to open the file: ", err)
  end
end


return FileLog
