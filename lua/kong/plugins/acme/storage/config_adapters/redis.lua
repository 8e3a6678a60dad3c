-- The configuration of Redis as the storage wants it.

return function(conf)
  local extra = conf.extra_options or {}
  return {
    host = conf.host,
    port = conf.port,
    database = conf.database,
    username = conf.username,
    password = conf.password,
    auth = conf.password,
    ssl = conf.ssl,
    ssl_verify = conf.ssl_verify,
    ssl_server_name = conf.server_name,
    namespace = extra.namespace,
    scan_count = extra.scan_count,
  }
end
