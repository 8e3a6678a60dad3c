-- The parts of `ngx` that are plain Lua.
local ngx = ngx

ngx._print = nil

return function(_has_jit)
end
