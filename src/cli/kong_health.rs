//! `kong-health`: the program of its own that container images call to see whether the node is alive.
//!
//! It is this program under another name: a link to it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;

use super::{Command, Invocation, Opt, node};
use crate::conf::absolute;

/// The name of the link.
pub const NAME: &str = "kong-health";
const DEFAULT_PREFIX: &str = "/usr/local/kong";

/// The program, as a command. It is not one of those that `kong` lists.
pub const COMMAND: Command = Command {
    name: NAME,
    usage: "\
Usage: kong-health [OPTIONS]

Tell whether the node in a prefix is running, without reading its configuration.

Options:
 -p,--prefix      (optional string) prefix at which Kong should be running
",
    subcommands: &[],
    options: &[Opt::text(Some('p'), "prefix")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let from_environment = || std::env::var("KONG_PREFIX").ok();
    let prefix = invocation.text("prefix").map(str::to_owned).or_else(from_environment);
    let prefix = absolute(&PathBuf::from(prefix.unwrap_or_else(|| DEFAULT_PREFIX.to_owned())));
    ensure!(prefix.exists(), "no such prefix: {}", prefix.display());
    let is_started = prefix.join(".kong_env").exists();
    ensure!(is_started && runs_in(&prefix), "Kong is not running at {}", prefix.display());
    println!("\nKong is healthy at {}", prefix.display());
    Ok(ExitCode::SUCCESS)
}

fn runs_in(prefix: &Path) -> bool {
    node::is_alive(&prefix.join("pids/nginx.pid"))
}
