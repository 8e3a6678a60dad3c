//! `kong quit`: ends the node in a prefix when its requests are finished.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Command, Invocation, Opt, stop};

/// The command.
pub const COMMAND: Command = Command {
    name: "quit",
    usage: "\
Usage: kong quit [OPTIONS]

Stop the node that runs in a prefix once it has finished its requests, by SIGQUIT. A node that has not ended
when the timeout is over is stopped by SIGTERM.

Options:
 -p,--prefix      (optional string) prefix Kong is running at
 -t,--timeout     (default 10) timeout before forced shutdown
 -w,--wait        (default 0) wait time before initiating the shutdown
",
    subcommands: &[],
    options: &[
        Opt::text(Some('p'), "prefix"),
        Opt::number(Some('t'), "timeout"),
        Opt::number(Some('w'), "wait"),
    ],
    execute,
};

/// Seconds until a node is stopped by force.
const TIMEOUT: f64 = 10.0;

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let console = &invocation.console;
    let conf = stop::started(invocation)?;
    let wait = invocation.number("wait").unwrap_or(0.0);
    if wait > 0.0 {
        console.verbose(format!("waiting {wait} seconds before quitting"));
        if stop::wait_for_end(&conf, seconds(wait)) {
            console.error("Kong stopped while waiting (unexpected)");
            return Ok(ExitCode::SUCCESS);
        }
    }
    stop::signal(&conf, Signal::SIGQUIT, console)?;
    console.verbose("waiting for nginx to finish processing requests");
    let timeout = invocation.number("timeout").unwrap_or(TIMEOUT).max(1.0);
    if stop::wait_for_end(&conf, seconds(timeout)) {
        console.info("Kong stopped (gracefully)");
        return Ok(ExitCode::SUCCESS);
    }
    console.verbose(format!("nginx is still running at {}, forcing shutdown", conf.prefix.display()));
    stop::signal(&conf, Signal::SIGTERM, console)?;
    console.info("Timeout, Kong stopped forcefully");
    Ok(ExitCode::SUCCESS)
}

/// A time from the command line; one that is too long or no number is a year.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::from_secs(365 * 86_400))
}
