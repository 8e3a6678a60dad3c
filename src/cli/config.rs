//! `kong config`: declarative configuration files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};

use super::{Command, Invocation, Opt, node};
use crate::conf::{Conf, Database, absolute};
use crate::db::declarative::Reader;
use crate::node::schemas_of_command;

const DEFAULT_FILE: &str = "./kong.yml";
const EXAMPLE: &str = include_str!("config_example.yml");

/// The command.
pub const COMMAND: Command = Command {
    name: "config",
    usage: "\
Usage: kong config COMMAND [OPTIONS]

Work with declarative configuration files.

The available commands are:
  init [<file>]                       Write an example file to start from,
                                      ./kong.yml unless a file is named.

  db_import <file>                    Load a file into the database.

  db_export [<file>]                  Write the database into a file,
                                      ./kong.yml unless a file is named.

  parse <file>                        Tell whether a file is valid, without
                                      loading it.

Options:
 -c,--conf        (optional string)   Configuration file.
 -p,--prefix      (optional string)   Override prefix directory.
",
    subcommands: &["db_export", "db_import", "init", "parse"],
    options: &[Opt::text(Some('c'), "conf"), Opt::text(Some('p'), "prefix")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let subcommand = invocation.subcommand.as_deref().unwrap_or_default();
    if subcommand == "init" {
        return init(invocation);
    }
    let conf = node::running_or_configured(invocation)?;
    match subcommand {
        "parse" => parse(invocation, &conf),
        "db_import" => db_import(&conf),
        _ => db_export(invocation, &conf),
    }
}

fn init(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let path = file(invocation).unwrap_or_else(|| absolute(Path::new(DEFAULT_FILE)));
    ensure!(!path.exists(), "{} already exists.\nWill not overwrite it.", path.display());
    std::fs::write(&path, EXAMPLE).with_context(|| format!("could not write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn parse(invocation: &Invocation, conf: &Conf) -> anyhow::Result<ExitCode> {
    let path =
        file(invocation).context("expected a declarative configuration file; see `kong config --help`")?;
    // The VM holds the functions of plugins' schemas: it must outlive the reader.
    let (_vm, registry) = schemas_of_command(conf).map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&registry);
    let path = path.to_string_lossy();
    match reader.read_file(&path) {
        Ok(_) => {
            invocation.console.info("parse successful");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let places: String = error.places(&path).iter().map(|place| format!("\n{place}")).collect();
            bail!("Failed parsing:\n{error}{places}")
        }
    }
}

fn db_import(conf: &Conf) -> anyhow::Result<ExitCode> {
    ensure!(
        conf.database != Database::Off,
        "'kong config db_import' only works with a database.\nWhen using database=off, reload your declarative \
         configuration\nusing the /config endpoint."
    );
    conf.storage()?;
    bail!("no store can be imported into yet")
}

fn db_export(invocation: &Invocation, conf: &Conf) -> anyhow::Result<ExitCode> {
    ensure!(conf.database != Database::Off, "'kong config db_export' only works with a database.");
    let path = file(invocation).unwrap_or_else(|| absolute(Path::new(DEFAULT_FILE)));
    ensure!(!path.exists(), "{} already exists. Will not overwrite it.", path.display());
    conf.storage()?;
    bail!("no store can be exported yet")
}

fn file(invocation: &Invocation) -> Option<PathBuf> {
    invocation.positional.first().map(|file| absolute(Path::new(file)))
}
