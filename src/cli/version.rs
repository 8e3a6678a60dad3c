//! `kong version`.

use std::process::ExitCode;

use super::{Command, Invocation, Opt};
use crate::KONG_VERSION;

/// What `ngx.config.ngx_lua_version` is in Kong 3.9: plugins and scripts compare it.
pub const NGX_LUA_VERSION: u32 = 10_026;
/// What `ngx.config.nginx_version` is in Kong 3.9.
pub const NGINX_VERSION: u32 = 1_025_003;
/// The LuaJIT of Kong 3.9.3, as its `jit.version` has it: the level that is answered for. The one that runs code here is
/// that of the `mlua` crate, which is newer.
pub const LUA_VERSION: &str = "LuaJIT 2.1.0-20231117.1";

/// The command.
pub const COMMAND: Command = Command {
    name: "version",
    usage: "\
Usage: kong version [OPTIONS]

Print the version that this gateway is compatible with; with -a also those of the interfaces that plugins
see.

Options:
 -a,--all         get version of all dependencies
",
    subcommands: &[],
    options: &[Opt::flag(Some('a'), "all")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    if invocation.flag("all") {
        println!(
            "Kong: {KONG_VERSION}\nngx_lua: {NGX_LUA_VERSION}\nnginx: {NGINX_VERSION}\nLua: {LUA_VERSION}"
        );
    } else {
        println!("{KONG_VERSION}");
    }
    Ok(ExitCode::SUCCESS)
}
