-- A plugin as authors write them: three phases, a header, a query argument and a cached credential read, one
-- header set on the way to the upstream and one on the way back. `spec/04-perf/run` enables it ten times.

local kong = kong

local Author = { VERSION = "1.0.0", PRIORITY = 900 }


local function load_credential()
  return { id = "c0ffee00-0000-4000-8000-000000000000", tier = "gold" }
end


function Author:access(conf)
  local tenant = kong.request.get_header("X-Tenant")
  local kind = kong.request.get_query_arg("kind")
  local credential = kong.cache:get("author:credential", nil, load_credential)
  kong.service.request.set_header(conf.request_header, credential and credential.tier or "none")
  kong.ctx.plugin.asked = tenant or kind
end


function Author:header_filter(conf)
  kong.response.set_header(conf.response_header, kong.ctx.plugin.asked and "named" or "unnamed")
end


function Author:log()
  self.served = (self.served or 0) + 1
end


return Author
