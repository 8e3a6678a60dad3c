-- ngx.resp: header fields of the response, added rather than set; a status with its reason.
local resp = ngx.resp

return {
  version = "0.1.28",
  add_header = resp.add_header,
  set_status = resp.set_status,
  -- There are no conditional requests that this gateway answers by itself.
  bypass_if_checks = function() end,
}
