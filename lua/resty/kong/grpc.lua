-- resty.kong.grpc: the `:authority` that the upstream gets.
local _M = {}

function _M.set_authority(authority)
  ngx.var.upstream_host = authority
  return true
end

return _M
