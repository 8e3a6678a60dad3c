-- resty.core: its functions are native here; requiring it changes nothing.
return { version = "0.1.28" }
