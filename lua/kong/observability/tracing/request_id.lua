-- The identity of the current request.

local ngx = ngx
local get_phase = ngx.get_phase

-- Phases in which a request can be asked for its variables.
local WITH_VARIABLES = {
  set = true, rewrite = true, access = true, content = true, header_filter = true, body_filter = true,
  log = true, balancer = true,
}

local _M = {}


function _M._get_ctx_request_id()
  return ngx.ctx.request_id
end


-- 32 hexadecimal digits; nil and why not where no request is served.
function _M.get()
  local id = ngx.ctx.request_id
  if not id then
    local phase = get_phase()
    if not WITH_VARIABLES[phase] then
      return nil, "cannot access ngx.var in " .. phase .. " phase"
    end
    id = ngx.var.kong_request_id
    ngx.ctx.request_id = id
  end
  return id
end


return _M
