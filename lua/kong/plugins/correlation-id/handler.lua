-- correlation-id: gives every request an identity that upstream, client and log can share.

local kong_meta = require "kong.meta"
local uuid = require("kong.tools.uuid").uuid

local kong, ngx = kong, ngx
local format = string.format

local worker_id, counter

local generators = { uuid = uuid }

generators["uuid#counter"] = function()
  counter = counter + 1
  return worker_id .. "#" .. counter
end

function generators.tracker()
  local var = ngx.var
  return format("%s-%s-%d-%s-%s-%0.3f", var.server_addr, var.server_port, ngx.worker.pid(),
                var.connection, var.connection_requests, ngx.now())
end


local function present(id)
  return id ~= nil and id ~= "" and id or nil
end


local CorrelationId = {
  VERSION = kong_meta.version,
  PRIORITY = 100001,
}


function CorrelationId:init_worker()
  worker_id, counter = uuid(), 0
end


function CorrelationId:access(conf)
  local id = present(kong.request.get_header(conf.header_name))
  if not id then
    id = generators[conf.generator]()
    kong.service.request.set_header(conf.header_name, id)
  end

  kong.log.set_serialize_value("correlation_id", id)
  if conf.echo_downstream then
    kong.ctx.plugin.correlation_id = id
  end
end


function CorrelationId:header_filter(conf)
  if conf.echo_downstream then
    local id = kong.ctx.plugin.correlation_id or present(kong.request.get_header(conf.header_name))
    kong.response.set_header(conf.header_name, id or generators[conf.generator]())
  end
end


return CorrelationId
