-- kong.timer: the named timers of this VM.

local timer = require("resty.timerng").new()
timer:start()

return timer
