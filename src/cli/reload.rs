//! `kong reload`: lets the node in a prefix take a changed configuration, without losing a connection.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use nix::sys::signal::Signal;

use super::{Command, Invocation, Opt, narration, node, stop};
use crate::conf::{Purpose, absolute};
use crate::runtime::pid_file::PidFile;
use crate::runtime::request::{self, Reload};

/// The command.
pub const COMMAND: Command = Command {
    name: "reload",
    usage: "\
Usage: kong reload [OPTIONS]

Let the node that runs in a prefix read its configuration file and the environment anew. A new worker process
takes over; the old one finishes its requests. If the new one cannot start, the reason is printed and the node
goes on as it was. Another file than the one in use is laid over the running configuration.

Options:
 -c,--conf                 (optional string) configuration file
 -p,--prefix               (optional string) prefix Kong is running at
 --nginx-conf              (optional string) accepted and not used
 --nginx-conf-flags        (optional string) accepted and not used
",
    subcommands: &[],
    options: &[
        Opt::text(Some('c'), "conf"),
        Opt::text(Some('p'), "prefix"),
        Opt::text(None, "nginx-conf"),
        Opt::text(None, "nginx-conf-flags"),
    ],
    execute,
};

/// *Kong parity*: the words. Kong's command has only sent a signal when it says that Kong is reloaded; here the new
/// configuration serves by then.
fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    // Only where the node runs is asked here; what its secrets are it asks for itself.
    node::make_prefix(invocation)?;
    let conf = node::configured(invocation, Purpose::Stop)?;
    let (prefix, console) = (&conf.prefix, &invocation.console);
    ensure!(conf.kong_env().exists(), "no file at: {}", conf.kong_env().display());
    narration::tell_values(console, &conf);
    narration::tell_env_file(console, &conf.kong_env());
    ensure!(PidFile::of(prefix).is_running(), "nginx not running in prefix: {}", prefix.display());
    let asked = Reload::new(
        invocation.text("conf").map(|path| absolute(Path::new(path))),
        std::env::vars().filter(|(name, _)| name.starts_with("KONG_")).collect(),
    );
    console.debug("asking the master process to reload");
    match request::reload(prefix, &asked) {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => bail!(reason),
        Err(error) => {
            console.debug(format!("no answer is to be had ({error}), sending a signal"));
            stop::signal(&conf, Signal::SIGHUP, console)?;
        }
    }
    console.info("Kong reloaded");
    Ok(ExitCode::SUCCESS)
}
