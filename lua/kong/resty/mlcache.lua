-- kong.resty.mlcache: the name under which Kong ships the library.
return require "resty.mlcache"
