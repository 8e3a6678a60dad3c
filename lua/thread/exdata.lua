-- thread.exdata: a value of the running coroutine that only it sees.
return require "kong.coroutine_value"()
