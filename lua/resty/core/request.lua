-- resty.core.request: the functions of `ngx` that this part of the library brings are the host's own.
return { version = "0.1.28" }
