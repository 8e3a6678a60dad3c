-- resty.mlcache.ipc: the name under which the library is published.
return require "kong.resty.mlcache.ipc"
