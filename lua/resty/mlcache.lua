-- resty.mlcache: the name under which the library is published.
return require "kong.resty.mlcache"
