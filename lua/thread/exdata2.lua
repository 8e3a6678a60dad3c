-- thread.exdata2: a second value of the running coroutine that only it sees.
return require "kong.coroutine_value"()
