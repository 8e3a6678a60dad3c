//! `kong vault`: looks a secret up.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Command, Invocation, Opt, node, script};
use crate::conf::{Conf, Database, Purpose, Reference, ReferenceError};
use crate::db::declarative::Reader;
use crate::db::{DaoOptions, Entity};
use crate::lua::{Context, Frame, Phase, Vm};
use crate::node::{dao_of_command, schemas_of_command};
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
    // The last is for configurations that have secrets of their own to ask for.
    options: &[
        Opt::text(Some('c'), "conf"),
        Opt::text(Some('p'), "prefix"),
        Opt::flag(None, "as-configured"),
    ],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let reference = invocation
        .positional
        .first()
        .context("the 'get' command needs a <reference> argument \nkong vault get <reference>")?;
    let conf = match invocation.flag("as-configured") {
        // Properties that are secrets themselves are left out: their values are only being asked for.
        true => node::configured(invocation, Purpose::Stop)?,
        false => node::running_or_configured(invocation)?,
    };
    let reference = if Reference::is_reference(reference) {
        reference.clone()
    } else {
        format!("{{vault://{reference}}}")
    };
    let vaults = Vaults::of_process(&conf);
    if Reference::parse(&reference).is_ok_and(|parsed| vaults.is_scripted(&parsed.vault)) {
        return script::run(&conf, script::Kind::Program, |vm| async move { ask(&vm, &reference).await });
    }
    println!("{}", look_up(&conf, &vaults, &reference)?);
    Ok(ExitCode::SUCCESS)
}

/// The value that a reference stands for, in a vault of the process or in one that is stored in the database.
fn look_up(conf: &Conf, vaults: &Vaults, reference: &str) -> anyhow::Result<String> {
    let parsed = Reference::parse(reference)?;
    if vaults.knows(&parsed.vault) || conf.database == Database::Off {
        return Ok(vaults.look_up(reference)?);
    }
    let entity = stored(conf, &parsed.vault)?.ok_or_else(|| ReferenceError::NoVault(parsed.vault.clone()))?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let variables = text(entity.get("config").and_then(|config| config.get("prefix")));
    let kind = text(entity.get("name"));
    ensure!(
        !vaults.is_scripted(&kind),
        "the vault ({}) is of the kind '{kind}', which is written in Lua: only a running node asks vaults of such \
         kinds that are stored in the database",
        parsed.vault
    );
    Ok(vaults.look_up_as(&parsed, &kind, &variables)?)
}

/// The vault of the database that has a prefix.
fn stored(conf: &Conf, prefix: &str) -> anyhow::Result<Option<Entity>> {
    conf.storage()?;
    // The VM holds the functions of plugins' schemas: it must outlive the model.
    let (_vm, registry) = schemas_of_command(conf).map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&registry);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let dao = dao_of_command(conf, &registry, reader.model()).await.map_err(anyhow::Error::msg)?;
        Ok(dao.select_by("vaults", "prefix", &Value::from(prefix), &DaoOptions::default()).await?)
    })
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
