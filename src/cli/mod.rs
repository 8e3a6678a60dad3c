//! The `kong` commands, one file each.
//!
//! A command is a [`Command`]: its name, its usage text, its options as data and the function that runs
//! it. [`COMMANDS`] lists them; a new command is a file and a line there. [`run`] reads the arguments with
//! clap, but says what Kong says: usage and errors go to standard error with exit code 1, `--help`
//! included, and a failed command ends with `Error: …` and a hint at `--v`.

mod check;
mod command;
mod config;
mod console;
mod drain;
mod health;
mod hybrid;
mod kong_health;
mod lua;
mod migrations;
mod narration;
pub mod node;
mod plugin;
mod prepare;
mod quit;
mod reload;
mod restart;
mod roar;
mod script;
mod start;
mod stop;
mod test;
mod vault;
mod version;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::observability::{Level, log};

pub use command::{Command, Invocation, Opt};
pub use console::Console;

/// Every command, sorted by name.
pub const COMMANDS: &[Command] = &[
    check::COMMAND,
    config::COMMAND,
    drain::COMMAND,
    health::COMMAND,
    hybrid::COMMAND,
    lua::COMMAND,
    migrations::COMMAND,
    plugin::COMMAND,
    prepare::COMMAND,
    quit::COMMAND,
    reload::COMMAND,
    restart::COMMAND,
    roar::COMMAND,
    start::COMMAND,
    stop::COMMAND,
    test::COMMAND,
    vault::COMMAND,
    version::COMMAND,
];

/// Runs the command that `arguments` name; the first one is the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // what the parts of the gateway log goes to standard error here, where only problems are wanted
    log::set_level(Level::Warn);
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    if Path::new(&program).file_name().is_some_and(|name| name == kong_health::NAME) {
        return kong_health::COMMAND.run(arguments);
    }
    let Some(name) = arguments.next().map(|name| name.to_string_lossy().into_owned()) else {
        return command::refuse(None, &usage());
    };
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => command.run(arguments),
        None if matches!(name.as_str(), "-h" | "--help") => command::refuse(None, &usage()),
        None => command::refuse(Some(&format!("No such command: {name}")), &usage()),
    }
}

fn usage() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    format!(
        "Usage: kong COMMAND [OPTIONS]\n\nThe available commands are:\n {}\n\nOptions:\n{}",
        names.join("\n "),
        command::UNIVERSAL_OPTIONS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_their_usage_names_them() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        for command in COMMANDS {
            assert!(command.usage.starts_with(&format!("Usage: kong {}", command.name)), "{}", command.name);
        }
    }

    #[test]
    fn the_usage_lists_every_command_and_the_universal_options() {
        let usage = usage();
        assert!(usage.starts_with("Usage: kong COMMAND [OPTIONS]\n\nThe available commands are:\n check\n"));
        assert!(usage.ends_with("\n\nOptions:\n --v              verbose\n --vv             debug\n"));
    }
}
