-- request-termination: answers in place of the upstream.

local kong_meta = require "kong.meta"

local kong, ngx = kong, ngx

local MESSAGES = {
  [401] = "Unauthorized", [404] = "Not found", [405] = "Method not allowed",
  [500] = "An unexpected error occurred", [502] = "Bad Gateway", [503] = "Service unavailable",
}

local RequestTermination = {
  VERSION = kong_meta.version,
  PRIORITY = 2,
}


local function echo(message, headers, query)
  local request = kong.request
  return {
    message = message,
    kong = {
      hostname = kong.node.get_hostname(),
      node_id = kong.node.get_id(),
      worker_pid = ngx.worker.pid(),
    },
    request = {
      method = request.get_method(), scheme = request.get_scheme(),
      host = request.get_host(), port = request.get_port(),
      path = request.get_path(), uri_captures = request.get_uri_captures(),
      headers = headers, query = query,
      body = request.get_body(), raw_body = request.get_raw_body(),
    },
    matched_route = kong.router.get_route(),
    matched_service = kong.router.get_service(),
  }
end


function RequestTermination:access(conf)
  local headers, query
  if conf.echo or conf.trigger then
    headers, query = kong.request.get_headers(), kong.request.get_query()
    if conf.trigger and not (headers[conf.trigger] or query[conf.trigger]) then
      return
    end
  end

  local status = conf.status_code
  local message = conf.message or MESSAGES[status]
  if conf.echo then
    return kong.response.exit(status, echo(message, headers, query))
  elseif conf.body then
    return kong.response.exit(status, conf.body, { ["Content-Type"] = conf.content_type })
  end
  return kong.response.exit(status, message and { message = message })
end


return RequestTermination
