//! `kong health`: does the node in a prefix run?

use std::process::ExitCode;

use anyhow::ensure;

use super::{Command, Invocation, Opt, node};

/// The command.
pub const COMMAND: Command = Command {
    name: "health",
    usage: "\
Usage: kong health [OPTIONS]

Tell whether the node in a prefix is running.

Options:
 -p,--prefix      (optional string) prefix at which Kong should be running
",
    subcommands: &[],
    options: &[Opt::text(Some('p'), "prefix")],
    execute,
};

/// *Kong parity*: the service is called nginx, and dots fill its name up to twelve characters.
fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let conf = node::started(invocation)?;
    let is_running = node::is_running(&conf);
    let state = if is_running { "running" } else { "not running" };
    invocation.console.info(format!("{:.<12}{state}", "nginx"));
    invocation.console.info("");
    ensure!(is_running, "Kong is not running at {}", conf.prefix.display());
    invocation.console.info(format!("Kong is healthy at {}", conf.prefix.display()));
    Ok(ExitCode::SUCCESS)
}
