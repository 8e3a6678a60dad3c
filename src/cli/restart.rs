//! `kong restart`: `kong stop`, if a node runs, and `kong start`.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Command, Console, Invocation, node, start, stop};
use crate::conf::{Conf, Purpose};

/// The command.
pub const COMMAND: Command = Command {
    name: "restart",
    usage: "\
Usage: kong restart [OPTIONS]

Stop the node that runs in a prefix, if there is one, and start one: `kong stop` and `kong start` in one.

Options:
 -c,--conf                 (optional string)   configuration file
 -p,--prefix               (optional string)   prefix of the node
 --nginx-conf              (optional string)   accepted and not used
 --run-migrations          (optional boolean)  as for `kong start`
 --db-timeout              (optional number)   as for `kong start`
 --lock-timeout            (default 60)        as for `kong start`
 --nginx-conf-flags        (optional string)   accepted and not used
",
    subcommands: &[],
    options: start::OPTIONS,
    execute,
};

/// How long the old node may take to end.
const ENDING: Duration = Duration::from_secs(8);

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    node::make_prefix(invocation)?;
    let conf = match invocation.text("prefix") {
        Some(_) => stop::started(invocation)?,
        None => node::configured(invocation, Purpose::Stop)?,
    };
    stop_running(&conf, &invocation.console);
    start::execute(invocation)
}

/// Stops the node if one runs; that none does is no error here.
fn stop_running(conf: &Conf, console: &Console) {
    if stop::signal(conf, Signal::SIGTERM, console).is_ok() {
        stop::wait_for_end(conf, ENDING);
        console.info("Kong stopped");
    }
}
