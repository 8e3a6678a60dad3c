-- kong.resty.mlcache.ipc: the name under which Kong ships the library.
return require "resty.mlcache.ipc"
