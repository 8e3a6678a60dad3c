-- Lua that ships inside the binary runs on LuaJIT with the ngx and kong tables of the gateway.
std = "ngx_lua"
max_line_length = 110
unused_args = false
redefined = false
globals = { "kong", "native_ngx_log", "ngx" }
read_globals = { "table.new" }
-- The prelude is what replaces these.
files["lua/host/prelude.lua"] = { globals = { "coroutine.create", "coroutine.resume", "coroutine.status", "coroutine.wrap" } }
files["spec/**/*_spec.lua"] = { std = "+busted" }
