-- resty.core.ctx: `ngx.ctx` as functions.
local ngx = ngx

local _M = { _VERSION = "0.1.28", version = "0.1.28" }

function _M.get_ctx_table(ctx)
  if ctx then
    ngx.ctx = ctx
  end
  return ngx.ctx
end

function _M.set_ctx_table(ctx)
  ngx.ctx = ctx
end

return _M
