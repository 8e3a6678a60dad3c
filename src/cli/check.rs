//! `kong check`: is a configuration file valid?

use std::path::Path;
use std::process::ExitCode;

use super::{Command, Invocation, narration};
use crate::conf::{Conf, DEFAULT_FILES, Sources};

/// The command.
pub const COMMAND: Command = Command {
    name: "check",
    usage: "\
Usage: kong check <conf>

Tell whether a configuration file is valid; if not, name everything that is wrong.

<conf> (default /etc/kong/kong.conf) configuration file

Options:
",
    subcommands: &[],
    options: &[],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let [default, ..] = DEFAULT_FILES;
    let path = invocation.positional.first().map_or(default, String::as_str);
    let sources = Sources::new(Some(Path::new(path)));
    narration::tell_sources(&invocation.console, &sources);
    match Conf::load(&sources) {
        Ok(conf) => {
            narration::tell_values(&invocation.console, &conf);
            invocation.console.info(format!("configuration at {path} is valid"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            for message in error.messages() {
                invocation.console.error(message);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
