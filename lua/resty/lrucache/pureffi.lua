-- resty.lrucache.pureffi: a name for the same cache; one implementation serves both loads.
return require "resty.lrucache"
