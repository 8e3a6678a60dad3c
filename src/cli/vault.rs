//! `kong vault`: looks a secret up.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{Command, Invocation, Opt, node, script};
use crate::conf::Reference;
use crate::lua::{Context, Frame, Phase, Vm};
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
    let vaults = Vaults::of_process(&conf);
    if Reference::parse(&reference).is_ok_and(|parsed| vaults.is_scripted(&parsed.vault)) {
        return script::run(&conf, script::Kind::Program, |vm| async move { ask(&vm, &reference).await });
    }
    println!("{}", vaults.look_up(&reference)?);
    Ok(ExitCode::SUCCESS)
}

/// Asks a vault that is written in Lua.
async fn ask(vm: &Vm, reference: &str) -> anyhow::Result<ExitCode> {
    let get = vm.load("=vault", b"return kong.vault.get(...)").map_err(script::failed)?;
    let push = |frame: &Frame| {
        frame.push_text(reference);
        1
    };
    let text = |frame: &Frame, at| {
        let text = frame.text_at(at)?;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let read = |frame: &Frame| (text(frame, 1), text(frame, 2));
    let (_, (secret, why)) =
        vm.evaluate(&get, Context::bare(Phase::Timer), push, read).await.map_err(script::failed)?;
    println!("{}", secret.with_context(|| why.unwrap_or_else(|| "no value found".to_owned()))?);
    Ok(ExitCode::SUCCESS)
}
