//! `kong vault`: looks a secret up.

use std::process::ExitCode;

use anyhow::Context;

use super::{Command, Invocation, Opt, node};
use crate::conf::Reference;
use crate::vaults::Vaults;

/// The command.
pub const COMMAND: Command = Command {
    name: "vault",
    usage: "\
Usage: kong vault COMMAND [OPTIONS]

Utilities for vaults.

Example usage:
 TEST=hello kong vault get env/test

The available commands are:
  get <reference>  print the value that <reference> stands for

Options:
 -c,--conf    (optional string)  configuration file
 -p,--prefix  (optional string)  override prefix directory
",
    subcommands: &["get"],
    options: &[Opt::text(Some('c'), "conf"), Opt::text(Some('p'), "prefix")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let reference = invocation
        .positional
        .first()
        .context("the 'get' command needs a <reference> argument \nkong vault get <reference>")?;
    let conf = node::running_or_configured(invocation)?;
    let reference = if Reference::is_reference(reference) {
        reference.clone()
    } else {
        format!("{{vault://{reference}}}")
    };
    println!("{}", Vaults::of_process(&conf).look_up(&reference)?);
    Ok(ExitCode::SUCCESS)
}
