//! `kong prepare`: lays a prefix out without starting a node.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::{Command, Invocation, Opt, node};
use crate::conf::{Purpose, prefix};

/// The command.
pub const COMMAND: Command = Command {
    name: "prepare",
    usage: "\
Usage: kong prepare [OPTIONS]

Lay the prefix out - directories, log files, certificates, the configuration in force - without starting a
node in it.

Example usage:
 kong prepare -p /usr/local/kong -c kong.conf

Options:
 -c,--conf       (optional string) configuration file
 -p,--prefix     (optional string) override prefix directory
 --nginx-conf    (optional string) accepted and not used: there is no nginx
",
    subcommands: &[],
    options: &[Opt::text(Some('c'), "conf"), Opt::text(Some('p'), "prefix"), Opt::text(None, "nginx-conf")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    node::make_prefix(invocation)?;
    let conf = node::announced(invocation, Purpose::Inspect)?;
    let place = conf.prefix.clone();
    if let Some(template) = invocation.text("nginx-conf").filter(|path| !Path::new(path).exists()) {
        bail!("could not prepare Kong prefix at {}: no such file: {template}", place.display());
    }
    invocation.console.verbose(format!("preparing nginx prefix directory at {}", place.display()));
    let prepared = prefix::prepare(conf)
        .map_err(|error| anyhow!("could not prepare Kong prefix at {}: {error}", place.display()))?;
    for note in prepared.notes {
        invocation.console.info(note);
    }
    for warning in prepared.warnings {
        invocation.console.warn(warning);
    }
    Ok(ExitCode::SUCCESS)
}
