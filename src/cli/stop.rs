//! `kong stop`: ends the node in a prefix at once.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use nix::sys::signal::Signal;

use super::{Command, Console, Invocation, Opt, narration, node};
use crate::conf::{Conf, Purpose, Sources};
use crate::runtime::pid_file::PidFile;

/// The command.
pub const COMMAND: Command = Command {
    name: "stop",
    usage: "\
Usage: kong stop [OPTIONS]

Stop the node that runs in a prefix, by SIGTERM: requests in flight are cut off.

Options:
 -p,--prefix      (optional string) prefix Kong is running at
",
    subcommands: &[],
    options: &[Opt::text(Some('p'), "prefix")],
    execute,
};

/// How long the command waits for the node's end: longer than the master waits for its processes. Kong does not wait.
const ENDING: Duration = Duration::from_secs(8);

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let conf = started(invocation)?;
    signal(&conf, Signal::SIGTERM, &invocation.console)?;
    wait_for_end(&conf, ENDING);
    invocation.console.info("Kong stopped");
    Ok(ExitCode::SUCCESS)
}

/// The configuration of the node that the command is about, running or not.
///
/// *Kong parity*: the errors.
pub(super) fn started(invocation: &Invocation) -> anyhow::Result<Conf> {
    let asked = node::configured(invocation, Purpose::Stop)?;
    let prefix = &asked.prefix;
    ensure!(prefix.exists(), "no such prefix: {}", prefix.display());
    let file = prefix.join(".kong_env");
    narration::tell_values(&invocation.console, &asked);
    narration::tell_env_file(&invocation.console, &file);
    let env = Sources::kong_env(&file).flag("prefix", prefix.to_str());
    let conf = Conf::load(&env.purpose(Purpose::Stop))?;
    narration::tell_values(&invocation.console, &conf);
    Ok(conf)
}

/// Sends a signal to the node's master.
///
/// *Kong parity*: it is called nginx.
pub(super) fn signal(conf: &Conf, signal: Signal, console: &Console) -> anyhow::Result<()> {
    let file = PidFile::of(&conf.prefix);
    ensure!(file.is_running(), "nginx not running in prefix: {}", conf.prefix.display());
    let name = signal.as_str().trim_start_matches("SIG");
    console.verbose(format!("sending {name} signal to nginx running at {}", conf.pid_file().display()));
    file.signal(signal).map_err(|_| anyhow!("could not send signal"))
}

/// Whether the node has ended, before or within `limit`.
pub(super) fn wait_for_end(conf: &Conf, limit: Duration) -> bool {
    let (file, deadline) = (PidFile::of(&conf.prefix), Instant::now() + limit);
    while file.is_running() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}
