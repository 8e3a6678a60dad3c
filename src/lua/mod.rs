//! The Lua runtime: VM, coroutines, `ngx.*`, the native parts of `kong.*`, the plugin runner.
